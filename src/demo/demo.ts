import { guide } from './guide.ts';
import { type DemoHouse, openHouse } from './house.ts';
import { tellStory } from './story.ts';

export interface DemoOptions {
  /** Plays the story by itself and ends. */
  readonly script?: boolean | undefined;
  /** Folder of database and evidence. */
  readonly state?: string | undefined;
  /** First of four ports; 6432, or another one when that is taken, when absent. */
  readonly port?: number | undefined;
}

/**
 * Starts everything and either explains how to go on, until Ctrl-C, or plays the story.
 * @returns the exit code: 0 when all went as promised
 * @throws DemoError when it cannot start
 */
export async function runDemo(options: DemoOptions): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());
  const began = Date.now();
  const house = await openHouse({
    state: options.state,
    port: options.port,
    progress: (line) => process.stderr.write(`starting ${line}\n`),
  });
  process.stderr.write(`ready after ${((Date.now() - began) / 1000).toFixed(1)} s\n\n`);
  try {
    if (options.script) return await tellStory(house, interrupted.signal);
    process.stdout.write(await guide(house));
    await untilInterrupted(interrupted.signal);
    return 0;
  } finally {
    await close(house);
  }
}

async function untilInterrupted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}

async function close(house: DemoHouse): Promise<void> {
  process.stderr.write('\nstopping …\n');
  await house[Symbol.asyncDispose]();
  process.stderr.write(`stopped. Database, evidence and configuration stay in ${house.folder}\n`);
}
