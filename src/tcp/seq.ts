/**
 * Sequence-number arithmetic, RFC 9293 3.4. Sequence numbers are held as signed 32-bit integers (`x | 0`), which V8 keeps
 * unboxed; only differences have meaning, and they wrap at 2^32 by themselves.
 */

/** How far `b` lies after `a`: positive when later, negative when earlier; right for distances below 2^31. */
export const seqDiff = (a: number, b: number): number => (b - a) | 0

/** The later of two sequence numbers. */
export const seqMax = (a: number, b: number): number => (((b - a) | 0) > 0 ? b : a)
