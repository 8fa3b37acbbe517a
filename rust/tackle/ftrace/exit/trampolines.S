/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The trampolines of hooks at a function's exit: one for each of the slots in slot.rs.
 *
 * A trampoline calls Rust code for the entry, then the hooked function, then Rust code for the
 * exit, and returns to the function's caller. BPF does the same for fexit programs
 * (arch/x86/net/bpf_jit_comp.c of the kernel). ftrace enters it as a direct call, in one of two
 * ways:
 *
 * - The function's entry jumps to it (CONFIG_DYNAMIC_FTRACE_WITH_JMP). The stack is as at a
 *   call of the function. Calls and returns stay paired, which the CPU's return stack buffer (RSB)
 *   needs.
 * - The function's entry calls its second instruction. Then the stack has the address where the
 *   function goes on. A live patch or a redirection may have changed that.
 *
 * The slot has the addresses of the Rust functions. Their arguments are the frame, which is on the
 * stack (struct Frame in chain.rs), and the slot. The frame also keeps the arguments of the hooked
 * function, and what it returns.
 *
 * Each trampoline is a function of its own, so that objtool makes unwind tables (ORC). A stack
 * trace of a task that sleeps in the hooked function is reliable; live patching needs that.
 */

#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/nospec-branch.h>
#include <asm/unwind_hints.h>

/* As in slot.rs. */
#define SLOTS 256
#define SLOT_NEXT_IP 0
#define SLOT_ENTER 8
#define SLOT_LEAVE 16
#define SLOT_SIZE 64
#define TRAMPOLINE_SIZE 256
/* As in chain.rs. */
#define EXIT_FRAME_SIZE 344
#define FRAME_ARGUMENTS 264
#define FRAME_VALUE 328

	.text

/*
 * Calls the code at r11, with all other registers as they are. With IBT an indirect call must
 * end at an ENDBR, and there is none behind a function's entry. So this returns to it, as
 * tackle_call_at does. It is also what a retpoline does.
 */
SYM_FUNC_START_LOCAL(call_r11)
	ANNOTATE_INTRA_FUNCTION_CALL
	call	.Ldo_rop
	int3
.Ldo_rop:
	movq	%r11, (%rsp)
	UNWIND_HINT_FUNC
	RET
SYM_FUNC_END(call_r11)

.macro TRAMPOLINE index:req
	.noaltmacro		/* which the macros of the kernel are not made for */
	.balign TRAMPOLINE_SIZE
SYM_START(tackle_ftrace_exit_trampoline_\index, SYM_L_LOCAL, SYM_A_NONE)
	ANNOTATE_NOENDBR
	/*
	 * Jumped to. Six bytes, as in slot.rs. Nothing on the stack says that a task which is
	 * preempted here is in the function: so livepatch has to look again.
	 */
	UNWIND_HINT_UNDEFINED
	pushq	(tackle_ftrace_exit_slots + \index * SLOT_SIZE + SLOT_NEXT_IP)(%rip)
	/* Called. */
	UNWIND_HINT_FUNC
	ANNOTATE_NOENDBR
	pushq	%rbp
	movq	%rsp, %rbp
	subq	$EXIT_FRAME_SIZE, %rsp
	movq	%rdi, FRAME_ARGUMENTS(%rsp)
	movq	%rsi, FRAME_ARGUMENTS+8(%rsp)
	movq	%rdx, FRAME_ARGUMENTS+16(%rsp)
	movq	%rcx, FRAME_ARGUMENTS+24(%rsp)
	movq	%r8, FRAME_ARGUMENTS+32(%rsp)
	movq	%r9, FRAME_ARGUMENTS+40(%rsp)
	/* The return value of a function that a kprobe makes return at once. */
	movq	%rax, FRAME_VALUE(%rsp)

	movq	%rsp, %rdi
	movq	$(tackle_ftrace_exit_slots + \index * SLOT_SIZE), %rsi
	movq	SLOT_ENTER(%rsi), %r11
	CALL_NOSPEC r11

	movq	FRAME_ARGUMENTS(%rsp), %rdi
	movq	FRAME_ARGUMENTS+8(%rsp), %rsi
	movq	FRAME_ARGUMENTS+16(%rsp), %rdx
	movq	FRAME_ARGUMENTS+24(%rsp), %rcx
	movq	FRAME_ARGUMENTS+32(%rsp), %r8
	movq	FRAME_ARGUMENTS+40(%rsp), %r9
	movq	FRAME_VALUE(%rsp), %rax
	/*
	 * Where a function in the place of this one begins is no return address that an unwinder
	 * knows. So the stack has that of the function itself again.
	 */
	movq	(tackle_ftrace_exit_slots + \index * SLOT_SIZE + SLOT_NEXT_IP)(%rip), %r10
	movq	8(%rbp), %r11
	movq	%r10, 8(%rbp)
	ANNOTATE_RETPOLINE_SAFE
	ALTERNATIVE_2 "call *%r11", "call call_r11", X86_FEATURE_RETPOLINE, \
		      "call call_r11", X86_FEATURE_IBT
	/* A structure of up to 16 bytes is returned in both. */
	movq	%rax, FRAME_VALUE(%rsp)
	movq	%rdx, FRAME_VALUE+8(%rsp)

	movq	%rsp, %rdi
	movq	$(tackle_ftrace_exit_slots + \index * SLOT_SIZE), %rsi
	movq	SLOT_LEAVE(%rsi), %r11
	CALL_NOSPEC r11

	movq	FRAME_VALUE(%rsp), %rax
	movq	FRAME_VALUE+8(%rsp), %rdx
	leave
	addq	$8, %rsp
	UNWIND_HINT_FUNC
	RET
SYM_FUNC_END(tackle_ftrace_exit_trampoline_\index)
.endm

	.balign TRAMPOLINE_SIZE
SYM_ENTRY(tackle_ftrace_exit_trampolines, SYM_L_GLOBAL, SYM_A_NONE)
	.set	index, 0
	.rept	SLOTS
	.altmacro
	TRAMPOLINE %index
	.set	index, index + 1
	.endr

/* Fails to assemble if a trampoline is longer than its place. */
	.org	tackle_ftrace_exit_trampolines + SLOTS * TRAMPOLINE_SIZE, 0xcc
