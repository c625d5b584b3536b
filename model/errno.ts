/** System errors in plain words. Pure: works on the error's code alone; what to do about it is the caller's to say. */

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'you have no permission for it',
  EPERM: 'you have no permission for it',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is not a folder',
  EEXIST: 'it exists already',
  ELOOP: 'its path leads through too many symbolic links',
  ENAMETOOLONG: 'its name is too long',
  EROFS: 'it lies on a read-only file system',
  ENOSPC: 'no space is left on its device',
  EDQUOT: 'your quota of disk space is used up',
  EFBIG: 'it would grow too large',
  EIO: 'its device reports an error',
  ENXIO: 'nobody is at its other end',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open on this machine',
  ENOMEM: 'no memory is left',
};

/** Why a system call failed; the error's own message where its code has no plain words. */
export function inWords(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return (typeof code === 'string' ? WORDS[code] : undefined) ?? String(message ?? error);
}
