/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The trampolines of the hooks, one for each of the slots in pool.rs.
 *
 * ftrace makes trampolines, too, but they fill in a struct ftrace_regs for any callback.
 * These leave all registers to the Rust function that the slot names: it has the calling
 * convention "rust-cold", which preserves every general register but r11, and so saves
 * those that it uses and no others.
 *
 * The stack on entry, from the hooked function's `call __fentry__`:
 *
 *	 0(%rsp)	where the hooked function goes on
 *	 8(%rsp)	where it returns to
 *
 * With the slot's address pushed, these are the seventh to ninth argument of the function
 * called. The first six are those of the hooked function, still in their registers.
 *
 * A function each, so that objtool makes unwind tables: a task that is interrupted here
 * has a reliable stack trace, which live patching asks for.
 */

#include <linux/linkage.h>
#include <asm/nospec-branch.h>

/* As in pool.rs; the size of a slot as in slot.rs. */
#define SLOTS 256
#define SLOT_SIZE 16
#define TRAMPOLINE_SIZE 32

	.text

.macro TRAMPOLINE index:req
	.noaltmacro		/* which the macros of the kernel are not made for */
	.balign TRAMPOLINE_SIZE
SYM_START(tackle_ftrace_trampoline_\index, SYM_L_LOCAL, SYM_A_NONE)
	ANNOTATE_NOENDBR
	pushq	$(tackle_ftrace_slots + \index * SLOT_SIZE)
	movq	(tackle_ftrace_slots + \index * SLOT_SIZE)(%rip), %r11
	CALL_NOSPEC r11
	addq	$8, %rsp
	RET
SYM_FUNC_END(tackle_ftrace_trampoline_\index)
.endm

	.balign TRAMPOLINE_SIZE
SYM_ENTRY(tackle_ftrace_trampolines, SYM_L_GLOBAL, SYM_A_NONE)
	.set	index, 0
	.rept	SLOTS
	.altmacro
	TRAMPOLINE %index
	.set	index, index + 1
	.endr

/* Fails to assemble if a trampoline is longer than its place. */
	.org	tackle_ftrace_trampolines + SLOTS * TRAMPOLINE_SIZE, 0xcc

/*
 * What takes the place of a function that is skipped: returns a value (skip.rs). A BPF
 * trampoline may call it indirectly, hence the ENDBR.
 */

/* As in skip.rs. */
#define STUBS 128
#define STUB_SIZE 32

.macro RETURN_STUB index:req
	.noaltmacro
	.balign STUB_SIZE
SYM_START(tackle_ftrace_return_\index, SYM_L_LOCAL, SYM_A_NONE)
	ENDBR
	movq	(tackle_ftrace_return_values + \index * 24)(%rip), %rax
	RET
SYM_FUNC_END(tackle_ftrace_return_\index)
.endm

	.balign STUB_SIZE
SYM_ENTRY(tackle_ftrace_return_stubs, SYM_L_GLOBAL, SYM_A_NONE)
	.set	index, 0
	.rept	STUBS
	.altmacro
	RETURN_STUB %index
	.set	index, index + 1
	.endr

	.org	tackle_ftrace_return_stubs + STUBS * STUB_SIZE, 0xcc
