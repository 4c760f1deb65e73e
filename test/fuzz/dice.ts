/** xorshift32: a run is repeated by its seed. @returns a number from 0 up to below the one given. */
export function dice(start: number): (below: number) => number {
  let state = (start | 0) === 0 ? 1 : start | 0;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
