import type { Refusal, RefusalCode } from '../model/refusal.ts';

/** A refusal on its way to the client: thrown only where a value cannot be returned (start-up, awaiting a gate). */
export class RefusalError extends Error {
  readonly refusal: Refusal;
  constructor(refusal: Refusal, options?: ErrorOptions) {
    super(refusal.message, options);
    this.name = 'RefusalError';
    this.refusal = refusal;
  }
}

export function refusal(
  code: RefusalCode,
  message: string,
  more: Partial<Omit<Refusal, 'code' | 'message'>> = {},
): Refusal {
  return { code, message, ...more };
}

export function isRefusal<T extends object>(value: T | Refusal): value is Refusal {
  return 'code' in value && 'message' in value;
}
