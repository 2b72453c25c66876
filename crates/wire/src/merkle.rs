//! The Merkle tree over a task's targets: one root in the intent, one short proof in each order.
//!
//! Hashes as in RFC 6962 section 2.1 (leaves and nodes in different domains, so that a node cannot pass for a
//! leaf); a level with an odd count carries its last hash up unchanged.

use crate::digest::{Digest, sha256};

/// The hash of one leaf.
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    sha256(&[&[0], leaf])
}

fn node_hash(left: &Digest, right: &Digest) -> Digest {
    sha256(&[&[1], left, right])
}

/// All levels of the tree, from the leaves up, so that any number of proofs costs no more hashing.
#[derive(Clone, Debug)]
pub struct Tree {
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    /// The tree over the leaves in this order; `None` without any.
    pub fn new<T: AsRef<[u8]>>(leaves: &[T]) -> Option<Self> {
        if leaves.is_empty() {
            return None;
        }
        let mut levels = vec![leaves.iter().map(|leaf| leaf_hash(leaf.as_ref())).collect::<Vec<_>>()];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let above = below
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => node_hash(left, right),
                    rest => rest[0],
                })
                .collect();
            levels.push(above);
        }
        Some(Self { levels })
    }

    /// The root.
    pub fn root(&self) -> Digest {
        self.levels.last().and_then(|level| level.first()).copied().unwrap_or_default()
    }

    /// The hashes that lead from leaf `index` to the root; `None` outside the tree.
    pub fn proof(&self, index: usize) -> Option<Vec<Digest>> {
        if index >= self.levels.first()?.len() {
            return None;
        }
        let mut at = index;
        let mut proof = Vec::new();
        for level in &self.levels {
            if let Some(sibling) = level.get(at ^ 1) {
                proof.push(*sibling);
            }
            at /= 2;
        }
        Some(proof)
    }
}

/// Whether `leaf` stands at `index` of the `count` leaves under `root`.
pub fn includes(root: &Digest, leaf: &[u8], index: u64, count: u64, proof: &[Digest]) -> bool {
    if index >= count {
        return false;
    }
    let (mut at, mut width) = (index, count);
    let mut hash = leaf_hash(leaf);
    let mut rest = proof.iter();
    while width > 1 {
        let alone = at % 2 == 0 && at + 1 == width;
        if !alone {
            let Some(sibling) = rest.next() else { return false };
            hash = if at % 2 == 0 { node_hash(&hash, sibling) } else { node_hash(sibling, &hash) };
        }
        at /= 2;
        width = width.div_ceil(2);
    }
    rest.next().is_none() && hash == *root
}
