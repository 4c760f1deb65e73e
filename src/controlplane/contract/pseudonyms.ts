import { z } from 'zod';

export const pseudonymEpoch = z
  .object({ epoch: z.string().describe('Count of rotations, and where a period is set, when it began') })
  .meta({ id: 'PseudonymEpoch' });
export const rotatePseudonyms = z
  .strictObject({ reason: z.string().min(1).max(2_000) })
  .meta({ id: 'RotatePseudonyms' });
export const rotatedPseudonyms = z.object({ before: z.string(), after: z.string() }).meta({ id: 'RotatedPseudonyms' });
