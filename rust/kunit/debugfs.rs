// SPDX-License-Identifier: GPL-2.0

//! Tests files of debugfs: how written text is parsed, and how long the data of files lives.

use kernel::prelude::*;

#[kunit_tests(tackle_debugfs)]
mod tests {
    use crate::hook::Seen;
    use kernel::{
        prelude::*,
        sync::Arc,
        uaccess::{UserPtr, UserSlice},
    };
    use tackle::{
        debugfs::{read_bool, read_i64, read_u64, root, Scope},
        expect_eq,
        kunit::written,
    };

    #[test]
    fn a_number_has_three_notations() -> Result {
        for (text, number) in [
            ("0", 0),
            ("17\n", 17),
            ("0x1F", 31),
            ("010", 8),
            ("18446744073709551615\n", u64::MAX),
        ] {
            expect_eq!(read_u64(&mut written(text.as_bytes())?), Ok(number));
        }
        Ok(())
    }

    #[test]
    fn what_is_no_number_is_einval() -> Result {
        for text in ["", "\n", "x", "1 2", "1\n\n", "-1", "0x", "1.5"] {
            expect_eq!(read_u64(&mut written(text.as_bytes())?), Err(EINVAL));
        }
        Ok(())
    }

    #[test]
    fn what_does_not_fit_is_erange() -> Result {
        let long = "100000000000000000000000000000000000000";
        for text in ["18446744073709551616", long] {
            expect_eq!(read_u64(&mut written(text.as_bytes())?), Err(ERANGE));
            expect_eq!(read_i64(&mut written(text.as_bytes())?), Err(ERANGE));
        }
        Ok(())
    }

    #[test]
    fn a_signed_number_may_be_negative() -> Result {
        for (text, number) in [
            ("-1\n", -1),
            ("-0x10", -16),
            ("-9223372036854775808", i64::MIN),
            ("9223372036854775807", i64::MAX),
        ] {
            expect_eq!(read_i64(&mut written(text.as_bytes())?), Ok(number));
        }
        expect_eq!(read_i64(&mut written(b"9223372036854775808")?), Err(ERANGE));
        expect_eq!(read_i64(&mut written(b"--1")?), Err(EINVAL));
        Ok(())
    }

    #[test]
    fn a_boolean_has_the_kernels_words() -> Result {
        for text in ["Y\n", "y", "T", "t", "1", "on", "ON\n"] {
            expect_eq!(read_bool(&mut written(text.as_bytes())?), Ok(true));
        }
        for text in ["N\n", "n", "F", "f", "0", "off", "OFF\n"] {
            expect_eq!(read_bool(&mut written(text.as_bytes())?), Ok(false));
        }
        for text in ["", "\n", "2", "o", "maybe"] {
            expect_eq!(read_bool(&mut written(text.as_bytes())?), Err(EINVAL));
        }
        Ok(())
    }

    #[test]
    fn memory_of_nobody_is_efault() -> Result {
        // Gives this thread a user address space. Nothing is mapped at its first page.
        written(b"0")?;
        let nobodys = || UserSlice::new(UserPtr::from_addr(1), 4).reader();
        expect_eq!(read_u64(&mut nobodys()), Err(EFAULT));
        expect_eq!(read_i64(&mut nobodys()), Err(EFAULT));
        expect_eq!(read_bool(&mut nobodys()), Err(EFAULT));
        Ok(())
    }

    /// Counts its drop in [`Seen`].
    struct Data(Arc<Seen>);

    impl Drop for Data {
        fn drop(&mut self) {
            self.0.dropped.fetch_add(1, kernel::sync::atomic::Relaxed);
        }
    }

    #[test]
    fn data_lives_as_long_as_its_files() -> Result {
        let (seen, root) = (Seen::new()?, root()?);
        let data = Data(seen.clone());
        let scope = root.scope(data, c"kunit", |data, dir| {
            dir.read_callback_file(c"file", data, &|_, f| f.write_str("text\n"));
        });
        let scope: Pin<KBox<Scope<Data>>> = KBox::pin_init(scope, GFP_KERNEL)?;
        expect_eq!((seen.dropped(), scope.0.calls()), (0, 0));
        drop(scope);
        expect_eq!(seen.dropped(), 1);
        Ok(())
    }

    #[test]
    fn data_that_fails_gets_no_files() -> Result {
        let (seen, root) = (Seen::new()?, root()?);
        let filled = seen.clone();
        let scope = root.scope::<u32, Error, _>(Err(EBUSY), c"kunit", move |_, _| {
            filled.calls.fetch_add(1, kernel::sync::atomic::Relaxed);
        });
        expect_eq!(KBox::pin_init(scope, GFP_KERNEL).err(), Some(EBUSY));
        expect_eq!(seen.calls(), 0);
        Ok(())
    }
}
