import { Command } from 'commander';
import type { Tree } from './client.ts';
export function devCommand(_tree: Tree): Command {
  return new Command('dev');
}
