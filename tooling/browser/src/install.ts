// A folder with our packages as npm would install them: their builds, and no trace of the workspace.
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { quickBuild } from '../../build/quick.mjs';
import { closure } from '../../build/workspace.mjs';

/** Packages that a page never reaches. */
const NODE_ONLY = ['@espalier/backend-native', '@espalier/x64'];

/** Builds `name` and what it needs, and installs them into `folder`. */
export async function install(name: string, folder: string): Promise<void> {
  await quickBuild(name);
  const modules = join(folder, 'node_modules');
  for (const { name: each, directory, manifest } of closure(name)) {
    if (NODE_ONLY.includes(each)) continue;
    const target = join(modules, each);
    await cp(join(directory, 'dist'), join(target, 'dist'), { recursive: true });
    const { publishConfig, ...rest } = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8'));
    await writeFile(join(target, 'package.json'), JSON.stringify({ ...rest, ...publishConfig }));
    const theirs = Object.keys(manifest.dependencies ?? {}).filter((dependency) => !/^@?espalier\b/.test(dependency));
    for (const dependency of theirs) {
      await mkdir(dirname(join(modules, dependency)), { recursive: true });
      await symlink(join(directory, 'node_modules', dependency), join(modules, dependency));
    }
  }
}
