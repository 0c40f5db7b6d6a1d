/** `iotdh completion`: scripts for shells, made from the commands as they are, so that they never lag behind. */
import type { Command } from 'commander';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** What may follow each command: `device list` → words. */
function wordsByPath(root: Command): Map<string, { word: string; about: string }[]> {
  const found = new Map<string, { word: string; about: string }[]>();
  const shared = root.options.map(({ long, description }) => ({ word: long ?? '', about: description }));
  function visit(command: Command, path: string): void {
    const below = command.commands.filter((one) => one.name() !== 'help');
    const own = command.options
      .filter(({ hidden }) => !hidden)
      .map(({ long, description }) => ({ word: long ?? '', about: description }));
    found.set(path, [
      ...below.map((one) => ({ word: one.name(), about: one.summary() || one.description() })),
      ...command.registeredArguments.flatMap(({ argChoices = [] }) =>
        argChoices.map((word) => ({ word, about: '' })),
      ),
      ...own,
      ...(command === root ? [] : shared),
      { word: '--help', about: 'display help for command' },
    ]);
    for (const one of below) visit(one, `${path} ${one.name()}`.trim());
  }
  visit(root, '');
  return found;
}

const isOption = ({ word }: { word: string }): boolean => word.startsWith('--');

/** The script; to be sourced by the shell. */
export function completionScript(root: Command, shell: Shell): string {
  const words = wordsByPath(root);
  const name = root.name();
  switch (shell) {
    case 'bash':
      return bashScript(name, words);
    case 'zsh':
      return `#compdef ${name}\nautoload -U +X bashcompinit && bashcompinit\n${bashScript(name, words)}`;
    case 'fish':
      return fishScript(name, words);
  }
}

function bashScript(name: string, words: ReturnType<typeof wordsByPath>): string {
  const cases = [...words].map(
    ([path, known]) => `    '${path}') words='${known.map(({ word }) => word).join(' ')}' ;;`,
  );
  const paths = [...words.keys()].filter((path) => path !== '').map((path) => `'${path}'`);
  // Not `path`: in zsh that is PATH.
  return `# bash completion for ${name}
_${name}_complete() {
  local current="\${COMP_WORDS[COMP_CWORD]}" found='' words='' word next known
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${found:+$found }$word"
    for known in ${paths.join(' ')}; do
      [ "$known" = "$next" ] && found="$next" && break
    done
  done
  case "$found" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _${name}_complete ${name}
`;
}

const isBelow = (path: string, above: string): boolean =>
  path !== above && path.startsWith(above === '' ? '' : `${above} `);

function fishScript(name: string, words: ReturnType<typeof wordsByPath>): string {
  const quoted = (text: string) => `'${text.replace(/['\\]/g, (one) => `\\${one}`)}'`;
  const lines = [...words].flatMap(([path, known]) =>
    known.map((one) => {
      const what = isOption(one) ? `-l ${one.word.slice(2)}` : `-a ${one.word}`;
      return `complete -c ${name} -n '__${name}_at ${path === '' ? '""' : `"${path}"`}' ${what} -d ${quoted(one.about)}`;
    }),
  );
  const paths = [...words.keys()].filter((path) => path !== '').map((path) => `"${path}"`);
  // Where a command has others below it, no file can follow.
  const groups = [...words.keys()].filter((path) => [...words.keys()].some((one) => isBelow(one, path)));
  const noFiles = groups.map((path) => `complete -c ${name} -f -n '__${name}_at "${path}"'`);
  return `# fish completion for ${name}
function __${name}_at
  set -l path ''
  for word in (commandline -opc)[2..]
    set -l next (string trim "$path $word")
    if contains -- "$next" ${paths.join(' ')}
      set path "$next"
    end
  end
  test "$path" = "$argv[1]"
end
${noFiles.join('\n')}
${lines.join('\n')}
`;
}
