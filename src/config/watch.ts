import { type FSWatcher, watch } from 'node:fs';
import { resolve } from 'node:path';

export interface ConfigWatch {
  close(): void;
}

export interface WatchOptions {
  /** Milliseconds without a further change before `onChange` is called; editors write in several steps. */
  readonly quietMs?: number;
  /** Folders that lie outside the configuration folder but belong to it (policies, labels). */
  readonly also?: readonly string[];
  /** Changes below this folder are the gateway's own: its state. */
  readonly ignore?: string;
}

/**
 * Calls `onChange` once after each burst of changes below the folder. It never overlaps itself: changes during a run lead
 * to one further run. What it throws is given to `onError`, as is a failure of the watch itself.
 */
export function watchConfig(
  folder: string,
  onChange: () => Promise<void> | void,
  onError: (error: unknown) => void,
  options: WatchOptions = {},
): ConfigWatch {
  const quietMs = options.quietMs ?? 200;
  const ignored = options.ignore === undefined ? undefined : resolve(options.ignore);
  let timer: NodeJS.Timeout | undefined;
  let running = false;
  let again = false;
  let closed = false;

  const run = async (): Promise<void> => {
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      await onChange();
    } catch (error) {
      onError(error);
    } finally {
      running = false;
    }
    if (again && !closed) {
      again = false;
      schedule();
    }
  };
  const schedule = (): void => {
    if (closed) return;
    clearTimeout(timer);
    timer = setTimeout(() => void run(), quietMs);
    timer.unref();
  };
  const watchers: FSWatcher[] = [];
  for (const root of new Set([folder, ...(options.also ?? [])].map((path) => resolve(path)))) {
    const watcher = watch(root, { recursive: true, persistent: false }, (_event, file) => {
      const path = file === null ? undefined : resolve(root, file);
      if (ignored !== undefined && path !== undefined && (path === ignored || path.startsWith(`${ignored}/`))) return;
      schedule();
    });
    watcher.on('error', onError);
    watchers.push(watcher);
  }
  return {
    close: () => {
      closed = true;
      clearTimeout(timer);
      for (const watcher of watchers) watcher.close();
    },
  };
}
