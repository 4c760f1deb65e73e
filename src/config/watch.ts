import { type FSWatcher, watch } from 'node:fs';
import { join, resolve, sep } from 'node:path';

export interface ConfigWatch {
  close(): void;
}

export interface WatchOptions {
  /** Milliseconds without a further change before `onChange` is called; editors write in several steps. */
  readonly quietMs?: number;
  /** Folders watched with all that is below them; `policies` and `labels` of the configuration folder when absent. */
  readonly also?: readonly string[];
  /** Changes of this entry, or below it, are the gateway's own: its state. */
  readonly ignore?: string;
}

/**
 * Calls `onChange` once after each burst of changes of the folder's own files, or anywhere below `also`. Other folders are not
 * followed: the state below holds more files than a system lets one watch. It never overlaps itself: changes during a run lead
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

  const roots = [
    ...new Set((options.also ?? ['policies', 'labels'].map((name) => join(folder, name))).map((path) => resolve(path))),
  ];
  let watchers: FSWatcher[] = [];

  const follow = (root: string, recursive: boolean): void => {
    try {
      const watcher = watch(root, { recursive, persistent: false }, (_event, file) => {
        const path = file === null ? root : resolve(root, file);
        if (ignored !== undefined && (path === ignored || path.startsWith(`${ignored}${sep}`))) return;
        schedule();
      });
      watcher.on('error', onError);
      watchers.push(watcher);
    } catch (error) {
      // Gone for the moment, as in the middle of a checkout: the folder above tells when it is back.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') onError(error);
    }
  };
  const arm = (): void => {
    for (const watcher of watchers) watcher.close();
    watchers = [];
    follow(resolve(folder), false);
    for (const root of roots) follow(root, true);
  };

  const run = async (): Promise<void> => {
    if (running) {
      again = true;
      return;
    }
    running = true;
    // A folder that was replaced has another identity: watch what stands there now, before it is read.
    arm();
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
  arm();
  return {
    close: () => {
      closed = true;
      clearTimeout(timer);
      for (const watcher of watchers) watcher.close();
    },
  };
}
