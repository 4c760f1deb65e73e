import type { Command, Option } from 'commander';
import { doing } from '../call.ts';

export function registerCompletion(program: Command): void {
  program
    .command('completion')
    .description('print a completion script: eval "$(gatehouse completion bash)"')
    .addArgument(program.createArgument('<shell>', 'which shell').choices(['bash']))
    .action(doing(async () => void process.stdout.write(bashCompletion(program))));
}

/** One case per command: its subcommands and options. No call of gatehouse while somebody presses Tab. */
function bashCompletion(program: Command): string {
  const cases = everyCommand(program, '').map(
    ({ path, words }) => `    ${JSON.stringify(path)}) words=${JSON.stringify(words.join(' '))} ;;`,
  );
  return `# bash completion for gatehouse
_gatehouse() {
  local current=\${COMP_WORDS[COMP_CWORD]} path="" words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in -*) ;; *) [[ " ${everyCommand(program, '')
      .map(({ path }) => path)
      .filter(Boolean)
      .join(' ; ')} " == *" $path\${path:+ }$word "* ]] && path="$path\${path:+ }$word" ;; esac
  done
  case $path in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _gatehouse gatehouse
`;
}

function everyCommand(command: Command, path: string): { path: string; words: string[] }[] {
  const options = command.options
    .filter((option: Option) => !option.hidden)
    .flatMap((option: Option) => option.long ?? []);
  const words = [...command.commands.map((child) => child.name()), ...options, '--help'];
  const below = command.commands.flatMap((child) =>
    everyCommand(child, path === '' ? child.name() : `${path} ${child.name()}`),
  );
  return [{ path, words }, ...below];
}
