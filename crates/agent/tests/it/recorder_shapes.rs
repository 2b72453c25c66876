//! Programs that hide what they are: each is told as what it is, below who really made it. Who that was is what the script that
//! starts them says itself.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use quell_wire::activity::{Deed, Image, Process, ProcessKey};
use quell_wire::digest::sha256;
use quell_wire::protection::Mode;

use crate::recorder::{Chain, World, executable, world};
use crate::recorder_load::{compiled, ran};

/// Runs each in the background, and writes down the pid that it has. What came before the chain was opened is told when the ring has
/// answered, and may come after what happened since: so the chain is given a second.
const RUN: &str = "#!/bin/sh\n/bin/sleep 1\nrun() { label=$1; shift; \"$@\" & echo \"$label $!\" >> witness; wait $!; }\necho self $$ >> witness\n";

/// What the script wrote down.
fn witness(world: &World) -> BTreeMap<String, u32> {
    let text = std::fs::read_to_string(world.path("witness")).unwrap();
    text.lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(label, pid)| (label.to_owned(), pid.parse().unwrap()))
        .collect()
}

/// The process of a pid, of which there is one.
fn process(chain: &Chain, pid: u32) -> &Process {
    let mut all = chain.processes.values().filter(|process| process.key.pid == pid);
    let process = all.next().unwrap_or_else(|| panic!("{pid}: {:#?}", chain.story()));
    assert!(all.next().is_none(), "{pid} is there twice");
    process
}

/// The programs that a process ran, in order.
fn programs(chain: &Chain, key: ProcessKey) -> Vec<&Image> {
    let starts = chain.activities.values().filter(|activity| activity.process == key);
    starts
        .filter_map(|activity| match activity.deed.as_ref() {
            Some(Deed::Start(image)) => Some(image),
            _ => None,
        })
        .collect()
}

fn digest(path: impl AsRef<Path>) -> Vec<u8> {
    sha256(&[&std::fs::read(path).unwrap()]).to_vec()
}

/// Runs `.dropped` with these lines, and takes its chain to the end.
fn told(world: &World, lines: &str) -> (Chain, BTreeMap<String, u32>) {
    executable(&world.dir.path().join(".dropped"), &format!("{RUN}{lines}/bin/true the-last\n"));
    assert!(world.script("./.dropped\n").success());
    let witness = witness(world);
    let is_whole = |chain: &Chain| {
        let ended = |pid: &u32| {
            chain.processes.values().any(|process| process.key.pid == *pid && process.ended_at_us > 0)
        };
        let is_read = chain.activities.values().all(|activity| match &activity.deed {
            Some(Deed::Start(image)) => !image.sha256.is_empty(),
            _ => true,
        });
        ran(chain, "the-last") && witness.values().all(ended) && is_read
    };
    let chain = world.chain("the whole chain", is_whole);
    assert_eq!(world.lost(), serde_json::json!({}), "{}", world.status());
    (chain, witness)
}

#[test]
fn what_has_no_name_or_a_bad_one_is_told_as_it_is() {
    let Some(world) = world(Mode::Detect) else { return };
    let bad = std::ffi::OsStr::from_bytes(b"a\xff\n\t b");
    std::fs::copy("/bin/true", world.dir.path().join(bad)).unwrap();
    let (chain, witness) = told(
        &world,
        "/bin/cp /bin/sleep gone\nexec 9< gone\n/bin/rm gone\nrun deleted /proc/self/fd/9 2\n\
         run memory /usr/bin/python3 -c 'import os\nfd = os.memfd_create(\"quiet\", 0)\n\
         os.write(fd, open(\"/bin/sleep\", \"rb\").read())\nos.execv(\"/proc/self/fd/%d\" % fd, [\"kthreadd\", \"2\"])'\n\
         run bad \"./$(printf 'a\\377\\n\\t b')\" \"$(printf '\\376x')\"\n\
         run found /usr/bin/env PATH=. \"$(printf 'a\\377\\n\\t b')\"\n",
    );
    let only = |label: &str| -> &Image {
        let process = process(&chain, witness[label]);
        assert_eq!(process.parent.map(|parent| parent.pid), Some(witness["self"]), "{label}");
        programs(&chain, process.key).last().unwrap()
    };
    let deleted = only("deleted");
    assert!(deleted.nameless && !deleted.in_memory, "{deleted:?}");
    assert_eq!((&deleted.path, &deleted.sha256), (&world.path("gone").into_bytes(), &digest("/bin/sleep")));
    let memory = only("memory");
    assert!(memory.in_memory && memory.nameless, "{memory:?}");
    assert_eq!(memory.sha256, digest("/bin/sleep"), "read by the process that runs it");
    assert_eq!(
        (memory.path.as_slice(), &memory.arguments),
        (&b"/memfd:quiet"[..], &vec![b"kthreadd".to_vec(), b"2".to_vec()])
    );
    assert_eq!(
        programs(&chain, process(&chain, witness["memory"]).key).len(),
        2,
        "the interpreter, then what it became"
    );
    for label in ["bad", "found"] {
        let named = only(label);
        assert_eq!(named.path, world.dir.path().join(bad).as_os_str().as_bytes(), "{label}");
        assert_eq!(named.sha256, digest("/bin/true"));
    }
    assert_eq!(only("bad").arguments[1], b"\xfex");
}

#[test]
fn scripts_and_long_command_lines_are_told_as_they_are() {
    let Some(world) = world(Mode::Detect) else { return };
    executable(&world.dir.path().join("tool"), "#!/bin/sh\n/bin/true within-$1\n");
    let (chain, witness) = told(
        &world,
        "run shebang ./tool one\nrun shell /bin/sh tool two\nrun inline /usr/bin/python3 -c 'pass # three'\n\
         run long /bin/true \"$(head -c 4085 /dev/zero | tr '\\0' x)\"\n\
         run longest /bin/true \"$(head -c 131000 /dev/zero | tr '\\0' y)\" after\n",
    );
    let only = |label: &str| {
        let process = process(&chain, witness[label]);
        assert_eq!(process.parent.map(|parent| parent.pid), Some(witness["self"]), "{label}");
        (process.key, *programs(&chain, process.key).last().unwrap())
    };
    for (label, argument) in [("shebang", "within-one"), ("shell", "within-two")] {
        let (key, image) = only(label);
        let script = image.script.as_ref().unwrap();
        assert_eq!(
            (&script.path, &script.sha256),
            (&world.path("tool").into_bytes(), &digest(world.path("tool")))
        );
        assert_eq!(image.sha256, digest("/bin/sh"), "{label}");
        let below = chain.processes.values().filter(|process| process.parent == Some(key));
        let within: Vec<_> = below.flat_map(|process| programs(&chain, process.key)).collect();
        assert_eq!(within.len(), 1);
        assert_eq!(within[0].arguments[1], argument.as_bytes());
    }
    let (_, inline) = only("inline");
    assert!(inline.script.is_none(), "{inline:?}");
    assert_eq!(inline.arguments[2], b"pass # three");
    let (_, long) = only("long");
    assert_eq!((long.arguments[1].len(), long.arguments_cut), (4085, false), "4 KB are all of it");
    let (_, longest) = only("longest");
    let told: usize = longest.arguments.iter().map(|argument| argument.len() + 1).sum();
    assert_eq!((told, longest.arguments_cut), (quell_wire::limits::COMMAND_LINE, true));
    assert!(longest.arguments[1].iter().all(|byte| *byte == b'y'));
}

#[test]
fn programs_in_namespaces_and_other_roots_are_told_below_who_made_them() {
    let Some(world) = world(Mode::Detect) else { return };
    if !compiled(
        &world,
        "inner",
        "#include <unistd.h>\nint main(void) { return usleep(300000); }",
        &["-static"],
    ) {
        return;
    }
    let (chain, witness) = told(
        &world,
        "/bin/mkdir -p root/bin\n/bin/cp inner root/bin/inside\n\
         run root chroot root /bin/inside one\n\
         run spaces unshare --pid --fork --mount --net --ipc --uts chroot root /bin/inside two\n\
         run apart unshare --mount /bin/sh -c 'mount -t tmpfs none root && /bin/cp inner root/hidden && exec root/hidden three'\n",
    );
    let of = |argument: &str| -> (ProcessKey, &Image) {
        let found = chain.activities.values().find_map(|activity| match activity.deed.as_ref() {
            Some(Deed::Start(image))
                if image.arguments.get(1).is_some_and(|one| one == argument.as_bytes()) =>
            {
                Some((activity.process, image))
            }
            _ => None,
        });
        found.unwrap_or_else(|| panic!("{argument}: {:#?}", chain.story()))
    };
    let own = process(&chain, witness["self"]);
    for (label, argument) in [("root", "one"), ("spaces", "two"), ("apart", "three")] {
        let (key, image) = of(argument);
        println!("{label}: {} {:?}", String::from_utf8_lossy(&image.path), chain.processes[&key]);
        assert_eq!(image.sha256, digest(world.path("inner")), "{label}: {image:?}");
        assert!(image.package.is_empty());
    }
    assert_eq!(of("one").0.pid, witness["root"]);
    assert_eq!(chain.processes[&of("one").0].parent, Some(own.key));
    // The first process of a namespace of its own, and yet the child of who made that.
    let inside = &chain.processes[&of("two").0];
    assert_eq!(inside.parent.map(|parent| parent.pid), Some(witness["spaces"]));
    assert_ne!(inside.pid_namespace, own.pid_namespace);
    assert_eq!(of("three").0.pid, witness["apart"]);
    assert_eq!(process(&chain, witness["apart"]).pid_namespace, own.pid_namespace);
}

#[test]
fn a_pid_that_is_used_again_has_its_own_children() {
    let Some(world) = world(Mode::Detect) else { return };
    // In the agent's own namespace, where the test may say which pid is next.
    let (chain, _) = told(
        &world,
        "for name in one two; do echo 29999 > /proc/sys/kernel/ns_last_pid\n\
         /bin/sh -c \"/bin/true first-$name; /bin/sleep 0.03; /bin/true second-$name\"; done\n",
    );
    let both: Vec<&Process> = chain.processes.values().filter(|process| process.key.pid == 30_000).collect();
    assert_eq!(both.len(), 2, "{:#?}", chain.story());
    let own = witness(&world)["self"];
    for (process, name) in both.iter().zip(["one", "two"]) {
        assert_eq!(process.parent.map(|parent| parent.pid), Some(own));
        let below = chain.processes.values().filter(|below| below.parent == Some(process.key));
        let ran: Vec<&[u8]> = below
            .flat_map(|below| programs(&chain, below.key))
            .map(|image| image.arguments[1].as_slice())
            .collect();
        let expected = [format!("first-{name}"), "0.03".to_owned(), format!("second-{name}")];
        assert_eq!(ran, expected.each_ref().map(String::as_bytes), "{name}");
    }
}
