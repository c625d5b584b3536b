/**
 * The compiled policy: a labelled DFA over bytes, in one buffer that TypeScript and native code both walk.
 *
 * Layout, little endian, every part 4-byte aligned:
 *   u32 magic 'PCDF' | u32 version | u32 states | u32 classes | u32 start | u32 rules
 *   u8  classOf[256]                 byte → class
 *   u32 label[states]                effect (2 low bits, index into EFFECTS) | rule index << 2
 *   u16 next[states * classes]       transitions, row per state (padded to 4 bytes)
 *
 * Total: every state has a label and a full row, so a walk always ends in a verdict. Limits: 65,535 states,
 * 256 classes. Rule index DEFAULT_RULE means that no rule matched and the policy's default applies.
 *
 * Some policies have no small automaton, though their parts have: many allow rules for folders beside many deny
 * rules for names anywhere multiply, since the state must remember both. Such a policy is several automata, one
 * after the other in the buffer, each complete with its own header and `version` 2 in each; a policy of one
 * automaton has version 1 and nothing follows it. Every automaton reads the whole word, and the strongest of
 * their labels holds: deny before review before allow, then the least rule index; a label with DEFAULT_RULE
 * gives way to every other. At most MAX_PARTS automata.
 */
export const MAGIC = 0x46444350; // 'PCDF'
/** One automaton. */
export const TABLE_VERSION = 1;
/** Each of several automata. */
export const PARTS_VERSION = 2;
/** Each is walked for every word, so that a policy of many is slower in proportion. As kMostAutomata in words.cc. */
export const MAX_PARTS = 32;
export const HEADER_BYTES = 24;
export const MAX_STATES = 65_535;
export const DEFAULT_RULE = 0x3fffffff;
