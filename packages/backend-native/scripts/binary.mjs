// Reads from a shared library (ELF, PE or Mach-O, 64 bits, little-endian) what it needs and what it offers.

/** `{ format, libraries, imports, exports, versions }`: names; `versions` are the symbol versions that an ELF file asks for. */
export function readBinary(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const magic = view.getUint32(0, true);
  if (magic === 0x464c457f) return elf(view);
  if (magic === 0xfeedfacf) return machO(view);
  if ((magic & 0xffff) === 0x5a4d) return pe(view);
  throw new Error('neither ELF, PE nor Mach-O');
}

function text(view, at) {
  let end = at;
  while (view.getUint8(end) !== 0) end++;
  return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at, end - at));
}

const u16 = (view, at) => view.getUint16(at, true);
const u32 = (view, at) => view.getUint32(at, true);
const u64 = (view, at) => Number(view.getBigUint64(at, true));

/** Source: System V gABI, and the LSB for symbol versions. */
function elf(view) {
  const [DYNAMIC, DYNSYM, VERNEED] = [6, 11, 0x6ffffffe];
  const sections = Array.from({ length: u16(view, 60) }, (_, i) => {
    const at = u64(view, 40) + i * u16(view, 58);
    const [type, link] = [u32(view, at + 4), u32(view, at + 40)];
    return { type, link, offset: u64(view, at + 24), size: u64(view, at + 32) };
  });
  const found = { format: 'elf', libraries: [], imports: [], exports: [], versions: [] };
  for (const { type, link, offset, size } of sections) {
    const name = (at) => text(view, sections[link].offset + at);
    if (type === DYNAMIC) {
      for (let at = offset; at < offset + size; at += 16)
        if (u64(view, at) === 1) found.libraries.push(name(u64(view, at + 8)));
    } else if (type === DYNSYM) {
      for (let at = offset + 24; at < offset + size; at += 24)
        found[u16(view, at + 6) === 0 ? 'imports' : 'exports'].push(name(u32(view, at)));
    } else if (type === VERNEED) {
      for (let at = offset, next = 1; next > 0; at += next) {
        next = u32(view, at + 12);
        for (let each = at + u32(view, at + 8), step = 1; step > 0; each += step) {
          step = u32(view, each + 12);
          found.versions.push(name(u32(view, each + 8)));
        }
      }
    }
  }
  return found;
}

/** Source: Microsoft, "PE Format". */
function pe(view) {
  const header = u32(view, 60);
  const optional = header + 24;
  const sections = Array.from({ length: u16(view, header + 6) }, (_, i) => {
    const at = optional + u16(view, header + 20) + 40 * i;
    return { address: u32(view, at + 12), size: u32(view, at + 16), offset: u32(view, at + 20) };
  });
  const place = (rva) => {
    const { address, offset } = sections.find(({ address, size }) => rva >= address && rva < address + size);
    return rva - address + offset;
  };
  const [exported, imported] = [u32(view, optional + 112), u32(view, optional + 120)];
  const found = { format: 'pe', libraries: [], imports: [], exports: [], versions: [] };
  if (exported) {
    const at = place(exported);
    const names = place(u32(view, at + 32));
    for (let i = 0; i < u32(view, at + 24); i++) found.exports.push(text(view, place(u32(view, names + 4 * i))));
  }
  for (let at = place(imported); u32(view, at + 12) !== 0; at += 20) {
    found.libraries.push(text(view, place(u32(view, at + 12))));
    for (let entry = place(u32(view, at)); u64(view, entry) !== 0; entry += 8)
      found.imports.push(text(view, place(u32(view, entry)) + 2));
  }
  return found;
}

/** Source: Apple, "Mach-O File Format Reference" (loader.h, nlist.h). */
function machO(view) {
  const [SYMTAB, LOAD_DYLIB] = [0x2, 0xc];
  const found = { format: 'macho', libraries: [], imports: [], exports: [], versions: [] };
  for (let i = 0, at = 32; i < u32(view, 16); i++, at += u32(view, at + 4)) {
    const command = u32(view, at);
    if (command === LOAD_DYLIB) found.libraries.push(text(view, at + u32(view, at + 8)));
    if (command !== SYMTAB) continue;
    const [symbols, count, strings] = [8, 12, 16].map((offset) => u32(view, at + offset));
    for (let each = symbols; each < symbols + 16 * count; each += 16) {
      const type = view.getUint8(each + 4);
      const external = (type & 0x01) !== 0 && (type & 0xe0) === 0;
      const undefinedHere = (type & 0x0e) === 0;
      if (external) found[undefinedHere ? 'imports' : 'exports'].push(text(view, strings + u32(view, each)).slice(1));
    }
  }
  return found;
}
