/** Bad usage or bad input: the command line prints the message as one clear line and exits 2. */
export class UsageError extends Error {}
