import { FrameReader } from '../../../wire/bytes/index.ts';
import { backendLimit, frontend, parseBackend } from '../../../wire/postgres/index.ts';
import type { TargetSession } from '../../target/index.ts';

/**
 * Asks the target one simple query before the relay takes the session over; parameter changes that come along are taken in.
 * Rejects on an error, on the end of the connection, and after 15 s.
 */
export function askTarget(target: TargetSession, sql: string): Promise<(string | null)[][]> {
  const { socket } = target;
  const reader = new FrameReader(backendLimit());
  const rows: (string | null)[][] = [];
  return new Promise((resolve, reject) => {
    const finish = (error?: Error) => {
      clearTimeout(deadline);
      socket.off('data', take);
      socket.off('close', closed);
      socket.off('error', finish);
      socket.pause();
      if (error) reject(error);
      else resolve(rows);
    };
    const closed = () => finish(new Error('the target closed the connection'));
    const deadline = setTimeout(() => finish(new Error('the target did not answer in time')), 15_000);
    const take = (chunk: Buffer) => {
      try {
        reader.push(chunk);
        for (let frame = reader.next(); frame; frame = reader.next()) {
          const message = parseBackend(frame);
          if (message.kind === 'data-row')
            rows.push(message.values.map((value) => (value === null ? null : value.toString('utf8'))));
          else if (message.kind === 'error-response') {
            finish(
              new Error(message.fields.find((field) => field.code === 'M')?.value ?? 'the target refused a question'),
            );
            return;
          } else if (message.kind === 'ready-for-query') {
            finish();
            return;
          }
        }
      } catch (error) {
        finish(error instanceof Error ? error : new Error(String(error)));
      }
    };
    socket.on('data', take);
    socket.on('close', closed);
    socket.on('error', finish);
    if (target.leftOver.length > 0) take(target.leftOver);
    socket.write(frontend.query(sql));
    socket.resume();
  });
}
