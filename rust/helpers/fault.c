// SPDX-License-Identifier: GPL-2.0
/*
 * Helpers of the fault injector. They read tasks, modules and bios, and make
 * bios fail.
 */

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <asm/syscall.h>

/*
 * Stores the offset of the address in the text of a module. Returns false if
 * the address is not in its text.
 */
bool rust_helper_module_text_offset(const struct module *module, unsigned long address, u64 *offset)
{
	if (within_module_mem_type(address, module, MOD_TEXT)) {
		*offset = address - (unsigned long)module->mem[MOD_TEXT].base;
		return true;
	}
	if (within_module_mem_type(address, module, MOD_INIT_TEXT)) {
		/* The highest bit marks an offset in init text. */
		*offset = (address - (unsigned long)module->mem[MOD_INIT_TEXT].base) | BIT_ULL(63);
		return true;
	}
	return false;
}

/* Returns 0 in a task, 1 in a softirq, 2 in a hardirq, 3 in an NMI. */
u32 rust_helper_fault_context(void)
{
	return interrupt_context_level();
}

/* Returns the number of the system call that current executes, or -1. */
int rust_helper_current_syscall(void)
{
	if (!in_task() || (current->flags & (PF_KTHREAD | PF_USER_WORKER)))
		return -1;
	return syscall_get_nr(current, task_pt_regs(current));
}

/* Waits until all handlers return. They run with preemption disabled. */
void rust_helper_fault_synchronize(void)
{
	synchronize_rcu();
}

#ifdef CONFIG_BLOCK

/* In the order of STATUSES in rust/core/src/fault/command.rs. */
static const blk_status_t tackle_fault_statuses[] = {
	BLK_STS_IOERR, BLK_STS_NOTSUPP, BLK_STS_TIMEOUT, BLK_STS_NOSPC, BLK_STS_TRANSPORT,
	BLK_STS_TARGET, BLK_STS_MEDIUM, BLK_STS_PROTECTION, BLK_STS_RESOURCE, BLK_STS_AGAIN,
};

/* The status with which bios fail. */
static blk_status_t tackle_fault_status = BLK_STS_IOERR;

/* The calls of tackle_fault_submit_bio() that have not returned. */
static atomic_t tackle_fault_submits;

void rust_helper_fault_set_bio_status(size_t index)
{
	if (index < ARRAY_SIZE(tackle_fault_statuses))
		WRITE_ONCE(tackle_fault_status, tackle_fault_statuses[index]);
}

/*
 * Returns whether the bio is for this device and operation: 0 any, 1 read, 2
 * write, 3 flush, 4 discard. `Operation` in rust/core/src/fault/command.rs has
 * the same numbers.
 */
bool rust_helper_fault_is_bio(const void *data, u32 major, u32 minor, u32 operation)
{
	const struct bio *bio = data;

	if (!bio->bi_bdev || bio->bi_bdev->bd_dev != MKDEV(major, minor))
		return false;
	switch (operation) {
	case 1:
		return bio_op(bio) == REQ_OP_READ;
	case 2:
		return bio_op(bio) == REQ_OP_WRITE;
	case 3:
		return bio_op(bio) == REQ_OP_FLUSH || (bio->bi_opf & REQ_PREFLUSH);
	case 4:
		return bio_op(bio) == REQ_OP_DISCARD;
	default:
		return true;
	}
}

/* Makes a bio fail at its completion, unless it has failed already. */
void rust_helper_fault_fail_bio(void *data)
{
	struct bio *bio = data;

	if (bio->bi_status == BLK_STS_OK)
		bio->bi_status = READ_ONCE(tackle_fault_status);
}

/*
 * Runs instead of submit_bio_noacct(), and ends the bio as that function does
 * if it refuses a bio. The handler of the hook must not do this itself, because
 * bi_end_io can take locks and allocate memory.
 */
void rust_helper_fault_submit_bio(void *data)
{
	struct bio *bio = data;

	atomic_inc(&tackle_fault_submits);
	bio->bi_status = READ_ONCE(tackle_fault_status);
	bio_endio(bio);
	atomic_dec(&tackle_fault_submits);
}

int rust_helper_fault_submits(void)
{
	return atomic_read(&tackle_fault_submits);
}

#endif
