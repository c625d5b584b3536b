/**
 * The compiled policy: one labelled DFA over bytes, in one buffer that TypeScript and native code both walk.
 *
 * Layout, little endian, every part 4-byte aligned:
 *   u32 magic 'PCDF' | u32 version 1 | u32 states | u32 classes | u32 start | u32 rules
 *   u8  classOf[256]                 byte → class
 *   u32 label[states]                effect (2 low bits, index into EFFECTS) | rule index << 2
 *   u16 next[states * classes]       transitions, row per state (padded to 4 bytes)
 *
 * Total: every state has a label and a full row, so a walk always ends in a verdict. Limits: 65,535 states,
 * 256 classes. Rule index DEFAULT_RULE means that no rule matched and the policy's default applies.
 */
export const MAGIC = 0x46444350; // 'PCDF'
export const TABLE_VERSION = 1;
export const HEADER_BYTES = 24;
export const MAX_STATES = 65_535;
export const DEFAULT_RULE = 0x3fffffff;
