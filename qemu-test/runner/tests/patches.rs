// SPDX-License-Identifier: GPL-2.0

//! Tests `scripts/patches.sh`, which applies our patches to the kernel, on a small source tree with
//! small series of patches.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A source tree, a series, and a place for the patched tree.
struct Scene {
    dir: TempDir,
}

/// A replacement for the kernel's checkpatch.pl that only checks for a sign-off.
const CHECKPATCH: &str = "\
$patch = pop @ARGV;
open(my $file, '<', $patch) or die;
exit 0 if grep { /^Signed-off-by: / } <$file>;
print \"ERROR: Missing Signed-off-by: line(s)\\n\";
exit 1;
";

impl Scene {
    fn new() -> Self {
        let scene = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        scene.write("source/net/a.c", "one\ntwo\nthree\n");
        scene.write("source/net/b.c", "alone\n");
        scene.write("source/scripts/checkpatch.pl", CHECKPATCH);
        fs::create_dir(scene.path("series")).unwrap();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn patch(&self, name: &str, trailer: &str, diff: &str) {
        let text = format!(
            "From 0123456789abcdef0123456789abcdef01234567 Mon Sep 17 00:00:00 2001\n\
             From: A Developer <a@example.com>\n\
             Date: Sun, 1 Nov 2026 10:00:00 +0000\n\
             Subject: [PATCH] net: change something\n\n\
             For the test.\n\n{trailer}---\n\n{diff}-- \n2.47\n"
        );
        self.write(&format!("series/{name}"), &text);
    }

    fn run(&self, word: &str, rest: &[PathBuf]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/patches.sh");
        let mut command = Command::new(script);
        command.arg(word).arg(self.path("series"));
        command.arg(self.path("source")).args(rest);
        command.output().unwrap()
    }

    fn apply(&self) -> Output {
        self.run("apply", &[self.path("tree")])
    }
}

fn last_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().last().unwrap_or_default().to_owned()
}

const SIGNED: &str = "Signed-off-by: A Developer <a@example.com>\n";

const FIRST: &str = "\
diff --git a/net/a.c b/net/a.c
--- a/net/a.c
+++ b/net/a.c
@@ -1,3 +1,3 @@
 one
-two
+TWO
 three
";

/// A patch that changes the lines of the first patch, adds a file, and removes one.
const SECOND: &str = "\
diff --git a/net/a.c b/net/a.c
--- a/net/a.c
+++ b/net/a.c
@@ -1,3 +1,3 @@
 one
-TWO
+zwei
 three
diff --git a/net/b.c b/net/b.c
deleted file mode 100644
--- a/net/b.c
+++ /dev/null
@@ -1 +0,0 @@
-alone
diff --git a/net/new/c.c b/net/new/c.c
new file mode 100644
--- /dev/null
+++ b/net/new/c.c
@@ -0,0 +1 @@
+new
";

#[test]
fn a_series_is_applied_in_order_and_the_source_stays() {
    let scene = Scene::new();
    scene.patch("0002-second.patch", SIGNED, SECOND);
    scene.patch("0001-first.patch", SIGNED, FIRST);
    let output = scene.apply();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(scene.read("tree/net/a.c"), "one\nzwei\nthree\n");
    assert_eq!(scene.read("tree/net/new/c.c"), "new\n");
    assert!(!scene.path("tree/net/b.c").exists());
    assert!(scene.path("tree/scripts/checkpatch.pl").exists());
    assert_eq!(scene.read("source/net/a.c"), "one\ntwo\nthree\n");
    assert_eq!(scene.read("source/net/b.c"), "alone\n");
    assert!(!scene.path("source/net/new").exists());
}

#[test]
fn a_patch_that_does_not_apply_is_named_and_nothing_is_made() {
    let scene = Scene::new();
    scene.patch("0001-first.patch", SIGNED, FIRST);
    scene.patch("0002-again.patch", SIGNED, FIRST);
    let output = scene.apply();
    assert!(!output.status.success());
    let line = last_line(&output);
    assert!(line.contains("does not apply"), "{line}");
    assert!(line.ends_with("0002-again.patch"), "{line}");
    assert!(!scene.path("tree").exists());
}

#[test]
fn without_patches_the_source_itself_is_taken() {
    let scene = Scene::new();
    let output = scene.apply();
    assert!(output.status.success(), "{output:?}");
    let target = fs::read_link(scene.path("tree")).unwrap();
    assert_eq!(target, fs::canonicalize(scene.path("source")).unwrap());
}

#[test]
fn the_kernel_s_checkpatch_has_the_last_word() {
    let scene = Scene::new();
    scene.patch("0001-first.patch", SIGNED, FIRST);
    let output = scene.run("check", &[]);
    assert!(output.status.success(), "{output:?}");
    scene.patch("0002-second.patch", "", SECOND);
    let output = scene.run("check", &[]);
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("Missing Signed-off-by"), "{text}");
    assert!(last_line(&output).ends_with("0002-second.patch"), "{text}");
}
