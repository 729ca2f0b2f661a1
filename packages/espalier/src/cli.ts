#!/usr/bin/env node
// The command line: parses arguments and prints; the work is in the library.
import { Command } from 'commander';

await new Command('espalier').description('Neural networks on the processor you have').parseAsync();
