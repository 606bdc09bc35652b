/** The package's version: the one constant that a release changes besides package.json; a test holds them equal. */
export const VERSION = '0.1.0'
