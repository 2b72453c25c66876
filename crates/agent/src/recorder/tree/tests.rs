//! The tree of processes: order, reuse, limits.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
use quell_wire::activity::Image;

use super::*;

const MS: u64 = 1_000_000;

fn key(pid: u32, start: u64) -> ProcessKey {
    ProcessKey { pid, start }
}

fn program(path: &str) -> Arc<Program> {
    Arc::new(Program { image: Image { path: path.into(), ..Image::default() }, ..Program::default() })
}

fn entry(parent: Option<ProcessKey>, path: &str, started: u64) -> Entry {
    Entry { parent, program: program(path), started, ..Entry::default() }
}

fn forked(tree: &mut Tree, pid: u32, parent: ProcessKey, path: &str) -> ProcessKey {
    let child = key(pid, parent.start + 1);
    tree.insert(child, entry(Some(parent), path, child.start * 10 * MS));
    child
}

#[test]
fn a_pid_that_is_handed_out_again_is_another_process() {
    let mut tree = Tree::default();
    let first = key(7, 10);
    tree.insert(first, entry(None, "/a", 100 * MS));
    tree.end(first, 500 * MS, Some(0));
    let second = key(7, 60);
    tree.insert(second, entry(None, "/b", 600 * MS));
    assert_eq!(tree.at(7, 90 * MS, 0), None, "before there was any");
    assert_eq!(tree.at(7, 300 * MS, 100 * MS), Some(first));
    assert_eq!(tree.at(7, 560 * MS, 100 * MS), Some(first), "told late");
    assert_eq!(tree.at(7, 800 * MS, 100 * MS), Some(second));
    assert_eq!(tree.at(7, 590 * MS, 10 * MS), Some(first));
    assert_eq!(tree.at(7, 595 * MS, 500 * MS), Some(first));
    assert_eq!(tree.at(7, 620 * MS, 150 * MS), None, "it may be of either");
    assert_eq!(tree.at(8, 300 * MS, 0), None);
}

#[test]
fn a_key_that_is_handed_out_again_is_the_one_that_lives_and_says_that_something_is_missing() {
    let mut tree = Tree::new(100);
    let (one, other, twice) = (key(5, 1), key(6, 1), key(9, 7));
    tree.insert(one, entry(None, "/one", 1000));
    tree.insert(other, entry(None, "/other", 1000));
    tree.insert(twice, entry(Some(one), "/first", 70_000));
    tree.end(twice, 70_500, Some(0));
    // Heard of once more, which changes nothing.
    tree.insert(twice, entry(Some(one), "/first", 70_000));
    assert!(tree.get(twice).unwrap().ended.is_some());
    tree.insert(twice, entry(Some(other), "/second", 71_000));
    let lives = tree.get(twice).unwrap();
    assert_eq!((lives.parent, lives.ended, lives.incomplete), (Some(other), None, true));
    assert_eq!(lives.program.image.path, b"/second");
    assert!(tree.get(one).unwrap().children.is_empty() && tree.get(other).unwrap().children.contains(&twice));
    // The end of the first takes it away no more.
    tree.sweep(u64::MAX, |_, _| ());
    assert!(tree.get(twice).is_some());
    tree.end(twice, 80_000, Some(0));
    tree.sweep(u64::MAX, |_, _| ());
    assert!(tree.get(twice).is_none());
}

#[test]
fn events_that_come_in_another_order_lead_to_the_same_tree() {
    let shell = key(1000, 5);
    let child = key(1001, 7);
    // The child is heard of before its fork, and its parent begins a program before that, but is heard of last.
    let mut tree = Tree::default();
    tree.insert(shell, entry(None, "/bin/sh", 50 * MS));
    let before = tree.get(shell).unwrap().program.clone();
    tree.insert(child, Entry { program: before, started: 70 * MS, ..Entry::default() });
    tree.insert(child, entry(Some(shell), "/other", 70 * MS));
    assert_eq!(tree.get(child).unwrap().parent, Some(shell));
    assert!(tree.get(shell).unwrap().children.contains(&child));
    assert_eq!(tree.get(child).unwrap().program.image.path, b"/bin/sh", "what was known stays");
    tree.begin(shell, &program("/bin/late"), 60 * MS, 3);
    assert_eq!(tree.get(child).unwrap().program.image.path, b"/bin/late");
    tree.begin(shell, &program("/bin/older"), 55 * MS, 2);
    assert_eq!(tree.get(shell).unwrap().program.image.path, b"/bin/late");
    tree.begin(shell, &program("/bin/newer"), 90 * MS, 4);
    assert_eq!(tree.get(child).unwrap().program.image.path, b"/bin/late", "forked before");
    // No circle, and no parent that is younger.
    let mut tree = Tree::default();
    tree.insert(child, entry(Some(child), "/a", 1));
    tree.insert(shell, entry(Some(child), "/b", 1));
    assert_eq!((tree.get(child).unwrap().parent, tree.get(shell).unwrap().parent), (None, None));
}

#[test]
fn the_dead_go_when_nothing_hangs_on_them() {
    let mut tree = Tree::default();
    let a = key(100, 1);
    tree.insert(a, entry(None, "/a", 10 * MS));
    let b = forked(&mut tree, 101, a, "/b");
    let c = forked(&mut tree, 102, b, "/c");
    tree.end(b, 20 * MS, Some(256));
    tree.end(b, 99 * MS, Some(0));
    assert_eq!(tree.get(b).unwrap().ended, Some((20 * MS, Some(256))), "it ends once");
    tree.sweep(20 * MS + GRACE, |_, _| panic!("its child lives"));
    assert_eq!(tree.len(), 3);
    tree.end(c, 30 * MS, None);
    let mut gone = Vec::new();
    tree.sweep(30 * MS + GRACE - 1, |key, _| gone.push(key));
    assert!(gone.is_empty());
    tree.sweep(30 * MS + GRACE, |key, _| gone.push(key));
    assert_eq!(gone, [c, b]);
    assert_eq!((tree.len(), tree.due(), tree.pids.len()), (1, None, 1));
    assert!(tree.get(a).unwrap().children.is_empty());
}

#[test]
fn a_flood_of_processes_stays_within_limits_and_ancestors_stay_longest() {
    let mut tree = Tree::new(100);
    let root = key(50, 1);
    tree.insert(root, Entry { is_kept: true, ..entry(None, "/bin/bomb", 0) });
    let mut top = root;
    for n in 0..1000u32 {
        let child = key(1000 + n, u64::from(n) + 2);
        tree.insert(child, entry(Some(top), "/bin/bomb", u64::from(n)));
        if n % 3 == 0 {
            tree.end(child, u64::from(n), Some(9));
        }
        if n == 10 {
            top = child;
        }
        tree.sweep(u64::from(n), |_, _| ());
        assert!(tree.len() <= 100);
    }
    assert!(tree.get(root).is_some() && tree.get(top).is_some() && tree.forgotten > 0);
    let total: usize = tree.iter().map(|(_, entry)| entry.children.len()).sum();
    assert_eq!(
        total,
        tree.iter().filter(|(_, entry)| entry.parent.is_some_and(|p| tree.get(p).is_some())).count()
    );
}

/// pid 1 → sshd → sshd (session) → bash → curl, and pid 1 → cron → cron → sh.
fn machine(tree: &mut Tree) -> [ProcessKey; 8] {
    let init = key(1, 1);
    tree.insert(init, entry(None, "/usr/lib/systemd/systemd", 0));
    let sshd = forked(tree, 10, init, "/usr/sbin/sshd");
    let session = forked(tree, 11, sshd, "/usr/sbin/sshd");
    let bash = forked(tree, 12, session, "/usr/bin/bash");
    let curl = forked(tree, 13, bash, "/usr/bin/curl");
    let cron = forked(tree, 20, init, "/usr/sbin/cron");
    let job = forked(tree, 21, cron, "/usr/sbin/cron");
    let sh = forked(tree, 22, job, "/usr/bin/dash");
    [init, sshd, session, bash, curl, cron, job, sh]
}

#[test]
fn a_chain_begins_below_what_starts_the_business_of_others() {
    let mut tree = Tree::default();
    let [init, sshd, session, bash, curl, _, job, sh] = machine(&mut tree);
    assert_eq!((tree.root(curl), tree.root(session), tree.root(sh)), (session, session, job));
    assert_eq!((tree.root(sshd), tree.root(init)), (sshd, init));
    assert_eq!(tree.ancestors(curl, session), [bash, session]);
    let fake = forked(&mut tree, 14, bash, "/tmp/sshd");
    let below = forked(&mut tree, 15, fake, "/tmp/x");
    assert_eq!(tree.root(below), session, "a name alone cuts nothing off");
    // What the agent starts begins there.
    let agent = forked(&mut tree, 30, init, "/usr/bin/quell-agent");
    tree.get_mut(agent).unwrap().own = true;
    let script = forked(&mut tree, 31, agent, "/bin/sh");
    assert_eq!(tree.root(script), script);
    assert_eq!(tree.reach(sshd, sshd), [(sshd, Reach::Children)]);
    assert_eq!(tree.reach(curl, session), [(session, Reach::All)]);
}

#[test]
fn of_a_large_tree_only_what_is_near_belongs_to_the_chain() {
    let mut tree = Tree::default();
    let [.., session, bash, curl, _, _, _] = machine(&mut tree);
    let child = forked(&mut tree, 14, curl, "/bin/x");
    let many: Vec<_> = (0..600).map(|n| forked(&mut tree, 1000 + n, bash, "/bin/true")).collect();
    let nephew = forked(&mut tree, 5000, many[0], "/bin/deep");
    let reach = tree.reach(curl, session);
    assert_eq!(reach, [(bash, Reach::Children), (session, Reach::Children), (curl, Reach::All)]);
    let (listed, beyond) = tree.enlist(3, &reach, 2000);
    assert_eq!((listed.len(), beyond), (604, 0));
    assert!(listed.iter().all(|(key, _)| *key != nephew));
    // What is forked from now on belongs to it as far as it reaches.
    let grandchild = forked(&mut tree, 5001, child, "/bin/y");
    let late = forked(&mut tree, 5002, bash, "/bin/z");
    let beyond = forked(&mut tree, 5003, late, "/bin/w");
    let chain = |key: ProcessKey| tree.get(key).unwrap().chain;
    assert_eq!(chain(grandchild), Some((3, Reach::All)));
    assert_eq!((chain(late), chain(beyond)), (Some((3, Reach::Itself)), None));
    // A second detection there widens it, by what was not in it.
    let (wider, _) = tree.enlist(3, &[(late, Reach::All)], 2000);
    assert_eq!(wider, [(late, Reach::All), (beyond, Reach::All)]);
    assert_eq!(tree.enlist(4, &[(late, Reach::All)], 2000).0, [], "one chain at a time");
    tree.discharge(3);
    assert!(tree.iter().all(|(_, entry)| entry.chain.is_none()));
    let (few, beyond) = tree.enlist(5, &reach, 10);
    assert!(few.len() == 10 && beyond > 500);
}
