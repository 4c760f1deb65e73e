import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** All bytes that a gateway keeps in its state folder, as text. It goes on writing meanwhile: read anew when a file was replaced. */
export async function stateText(folder: string, wanted: (name: string) => boolean = () => true): Promise<string> {
  const state = join(folder, 'state');
  for (let turn = 0; ; turn++) {
    const entries = await readdir(state, { recursive: true, withFileTypes: true });
    const files = entries.filter((one) => one.isFile() && wanted(one.name));
    try {
      const texts = await Promise.all(files.map((one) => readFile(join(one.parentPath, one.name), 'latin1')));
      return texts.join('\n');
    } catch (error) {
      if (turn >= 50 || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}
