/** Did you mean: the nearest of some words. */

/** Edit distance with transpositions (optimal string alignment). */
export function distance(a: string, b: string): number {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let d = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) d = Math.min(d, before[j - 2]! + 1)
      row.push(d)
    }
    before = last
    last = row
  }
  return last[b.length]!
}

/** The candidates nearest to the word, if near enough to be meant; words that begin with it count as near. */
export function nearest(word: string, candidates: readonly string[], most = 3): string[] {
  const asked = word.toLowerCase().slice(0, 64)
  return candidates
    .map((c) => ({ c, d: c.startsWith(asked) && asked.length >= 3 ? 0.5 : distance(asked, c) }))
    .filter(({ c, d }) => d <= Math.max(1, Math.floor(Math.max(asked.length, c.length) / 3)))
    .sort((a, b) => a.d - b.d || (a.c < b.c ? -1 : 1))
    .slice(0, most)
    .map(({ c }) => c)
}
