//! Whether enough people agreed: who counts, and how often.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::policy::People;

/// A decision of a person, with what is known of that person *now*: a role that was lost since takes the decision along.
#[derive(Clone, Debug)]
pub struct Vote {
    /// The human behind the account.
    pub human: Uuid,
    /// Whether they agree.
    pub is_approval: bool,
    /// The digest that they decided about is the one that is asked about, and they have not taken it back.
    pub is_standing: bool,
    /// They are active and may decide in this tenant, now.
    pub may_decide: bool,
    /// Names and ids of the roles that they have here, now.
    pub roles: BTreeSet<String>,
}

/// How a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    /// Enough agreed, and nobody declined.
    Approved,
    /// Somebody who counts declined.
    Rejected,
    /// More are needed.
    Waiting {
        /// Who agreed and counts.
        have: u32,
        /// How many it takes.
        need: u32,
    },
}

/// Why a person's decision does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ineligible {
    /// The one who asked.
    #[error("who asks does not decide; another account of the same person does not either")]
    Requester,
    /// Without the right.
    #[error("this person may not decide about requests here")]
    Permission,
    /// Without one of the roles that the policy names.
    #[error("the policy asks for another role")]
    Role,
}

/// Whether a person may decide about a request of this human.
pub fn eligible(people: &People, requester: Uuid, vote: &Vote) -> Result<(), Ineligible> {
    if vote.human == requester {
        return Err(Ineligible::Requester);
    }
    if !vote.may_decide {
        return Err(Ineligible::Permission);
    }
    let names_one = people.roles.is_empty() || people.roles.iter().any(|role| vote.roles.contains(role));
    if names_one { Ok(()) } else { Err(Ineligible::Role) }
}

/// Counts humans, not accounts, and only those whose decision counts now.
pub fn tally(people: &People, requester: Uuid, votes: &[Vote]) -> Tally {
    let counting =
        || votes.iter().filter(|vote| vote.is_standing && eligible(people, requester, vote).is_ok());
    if counting().any(|vote| !vote.is_approval) {
        return Tally::Rejected;
    }
    let humans: BTreeSet<Uuid> = counting().map(|vote| vote.human).collect();
    let need = people.quorum.max(1);
    let have = u32::try_from(humans.len()).unwrap_or(u32::MAX);
    if have >= need { Tally::Approved } else { Tally::Waiting { have, need } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ASKER: Uuid = Uuid::from_u128(1);

    fn people(quorum: u32) -> People {
        People { quorum, roles: vec!["approver".to_owned()] }
    }

    fn vote(human: u128) -> Vote {
        Vote {
            human: Uuid::from_u128(human),
            is_approval: true,
            is_standing: true,
            may_decide: true,
            roles: ["approver".to_owned()].into(),
        }
    }

    #[test]
    fn the_requester_never_counts() {
        assert_eq!(tally(&people(1), ASKER, &[vote(1)]), Tally::Waiting { have: 0, need: 1 });
        assert_eq!(eligible(&people(1), ASKER, &vote(1)), Err(Ineligible::Requester));
        assert_eq!(tally(&people(1), ASKER, &[vote(2)]), Tally::Approved);
    }

    #[test]
    fn two_accounts_of_one_human_count_once() {
        assert_eq!(tally(&people(2), ASKER, &[vote(2), vote(2)]), Tally::Waiting { have: 1, need: 2 });
        assert_eq!(tally(&people(2), ASKER, &[vote(2), vote(3)]), Tally::Approved);
    }

    #[test]
    fn who_lost_the_role_or_took_it_back_does_not_count() {
        let lost = Vote { roles: BTreeSet::new(), ..vote(2) };
        let barred = Vote { may_decide: false, ..vote(2) };
        let back = Vote { is_standing: false, ..vote(2) };
        for vote in [lost, barred, back] {
            assert_eq!(tally(&people(1), ASKER, &[vote]), Tally::Waiting { have: 0, need: 1 });
        }
    }

    #[test]
    fn one_who_counts_and_declines_is_enough() {
        let no = Vote { is_approval: false, ..vote(3) };
        assert_eq!(tally(&people(1), ASKER, &[vote(2), no.clone()]), Tally::Rejected);
        let outsider = Vote { may_decide: false, ..no };
        assert_eq!(tally(&people(1), ASKER, &[vote(2), outsider]), Tally::Approved);
    }

    #[test]
    fn a_quorum_of_none_is_one() {
        assert_eq!(
            tally(&People { quorum: 0, roles: Vec::new() }, ASKER, &[]),
            Tally::Waiting { have: 0, need: 1 }
        );
    }

    proptest! {
        #[test]
        fn approval_takes_as_many_humans_as_asked(quorum in 1_u32..5, humans in proptest::collection::vec(1_u128..8, 0..12)) {
            let votes: Vec<Vote> = humans.iter().copied().map(vote).collect();
            let others: BTreeSet<u128> = humans.into_iter().filter(|human| *human != 1).collect();
            prop_assert_eq!(tally(&people(quorum), ASKER, &votes) == Tally::Approved, others.len() >= quorum as usize);
        }
    }
}
