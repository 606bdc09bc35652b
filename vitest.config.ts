import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two cores are the least we are built on; tests that start servers or tshark say so themselves.
    pool: 'forks',
  },
})
