/** Bad usage or bad input: the command line prints the message as one clear line and exits 2. */
export class UsageError extends Error {}

/** Loads a part of the program that not every command needs. Throws UsageError where it is not whole. */
export async function part<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const [why] = String(error instanceof Error ? error.message : error).split('\n');
    throw new UsageError(`a part of Portcullis cannot be loaded (${why}); mend it with: npm run setup`, {
      cause: error,
    });
  }
}
