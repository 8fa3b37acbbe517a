/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls a kernel function at any of its instructions, also where no ENDBR is.
 */

#include <linux/linkage.h>
#include <asm/nospec-branch.h>
#include <asm/unwind_hints.h>

/*
 * unsigned long tackle_call_at(unsigned long a, unsigned long b, unsigned long c,
 *				unsigned long d, unsigned long e, unsigned long f,
 *				void *target)
 *
 * The six arguments stay in their registers, and the caller's return address where it is:
 * for the target this is as if it had been called itself. With IBT an indirect jump must
 * end at an ENDBR. The kernel removes the ENDBR of functions that it never calls
 * indirectly, and there is none behind an entry. So this returns to the target instead of
 * jumping, and keeps the RSB in balance, as return_to_handler in ftrace_64.S does.
 */
SYM_FUNC_START(tackle_call_at)
	mov	8(%rsp), %rax
	ANNOTATE_INTRA_FUNCTION_CALL
	call	.Ldo_rop
	int3
.Ldo_rop:
	mov	%rax, (%rsp)
	UNWIND_HINT_FUNC
	RET
SYM_FUNC_END(tackle_call_at)
