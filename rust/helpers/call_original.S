/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls a function behind its entry, past the call of ftrace that is there.
 */

#include <linux/linkage.h>
#include <asm/nospec-branch.h>
#include <asm/unwind_hints.h>

/*
 * unsigned long tackle_call_original(unsigned long a, unsigned long b, unsigned long c,
 *				      unsigned long d, unsigned long e, unsigned long f,
 *				      void *target)
 *
 * The six arguments stay in their registers, and the caller's return address where it is:
 * for the target this is as if it had been called itself. No indirect jump gets there,
 * since IBT would demand that it contain ENDBR, which only an entry has; a return does,
 * with the RSB kept in balance, as return_to_handler in ftrace_64.S does it.
 */
SYM_FUNC_START(tackle_call_original)
	mov	8(%rsp), %rax
	ANNOTATE_INTRA_FUNCTION_CALL
	call	.Ldo_rop
	int3
.Ldo_rop:
	mov	%rax, (%rsp)
	UNWIND_HINT_FUNC
	RET
SYM_FUNC_END(tackle_call_original)
