/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls a kernel function at any of its instructions, even if that is no ENDBR.
 */

#include <linux/linkage.h>
#include <asm/nospec-branch.h>
#include <asm/unwind_hints.h>

/*
 * unsigned long tackle_call_at(unsigned long a, unsigned long b, unsigned long c,
 *				unsigned long d, unsigned long e, unsigned long f,
 *				void *target)
 *
 * The six arguments stay in their registers, and the return address of the
 * caller stays on the stack. So the target runs as if the caller had called it
 * directly.
 *
 * With IBT the target of an indirect jump must be an ENDBR. Functions that the
 * kernel never calls indirectly have no ENDBR at their entry, and there is none
 * after an entry. Therefore this function does not jump to the target but
 * returns to it. A call before that keeps the RSB balanced, as in
 * return_to_handler in ftrace_64.S.
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
