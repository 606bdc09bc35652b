/** One analysis under observation: what counts as a failure, and how failures of one cause are told from others. */

/** The failure of `bytes`, or null. A MysqlconnError is an answer, anything else thrown is a bug, as is a rule that threw. */
export function failure(analyzeBuffer, bytes, tally) {
  try {
    const report = analyzeBuffer('fuzz', bytes)
    if (report.bugs !== undefined && report.bugs.length > 0) return signed('rule', report.bugs[0].message)
    JSON.stringify(report)
    tally?.(report)
    return null
  } catch (e) {
    return e?.name === 'MysqlconnError'
      ? null
      : signed('crash', e instanceof Error ? (e.stack ?? e.message) : String(e))
  }
}

/** The message without its numbers, and the innermost line of our own code. */
function signed(kind, stack) {
  const [message = '', ...lines] = stack.split('\n')
  const place =
    lines
      .find((l) => l.includes('/src/'))
      ?.replace(/^.*\/src\//, '')
      .replace(/\)$/, '') ?? ''
  return { kind, signature: `${message.replace(/\d+/g, 'N')} at ${place}`, stack }
}

/** Removes ever smaller pieces while the failure stays the same: greedy, bounded by time. */
export function minimise(analyzeBuffer, bytes, signature, milliseconds = 10_000) {
  const until = Date.now() + milliseconds
  let best = bytes
  for (let piece = best.length >> 1; piece >= 1; piece >>= 1) {
    for (let at = 0; at < best.length && Date.now() < until; ) {
      const shorter = Buffer.concat([best.subarray(0, at), best.subarray(at + piece)])
      if (failure(analyzeBuffer, shorter)?.signature === signature) best = shorter
      else at += piece
    }
  }
  return best
}
