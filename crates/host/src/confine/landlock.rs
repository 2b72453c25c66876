//! The file system, the network and other processes, taken away by Landlock (landlock(7)).

use ::landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::{Error, Profile};

/// The newest version that was read about; an older kernel does what it can, and the answer says which version that is.
const KNOWN: ABI = ABI::V6;

/// The version that holds the process. `None` where the kernel has no Landlock, which is warned of, or where the
/// profile does without.
pub(super) fn enter(profile: Profile, warnings: &mut Vec<String>) -> Result<Option<u32>, Error> {
    if profile == Profile::Inspector {
        return Ok(None);
    }
    let status = restrict(profile).map_err(|error| Error::Landlock(error.to_string()))?;
    match (status.landlock, status.ruleset) {
        (LandlockStatus::NotEnabled | LandlockStatus::NotImplemented, _) => {
            warnings.push("the kernel has no Landlock: confined by seccomp and user alone".to_owned());
            Ok(None)
        }
        (
            LandlockStatus::Available { effective_abi, kernel_abi },
            RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced,
        ) => {
            let version = kernel_abi.map_or(effective_abi as u32, |version| version as u32);
            Ok(Some(version))
        }
        (LandlockStatus::Available { .. }, RulesetStatus::NotEnforced) => {
            Err(Error::Landlock("the rules do not hold".to_owned()))
        }
    }
}

fn restrict(profile: Profile) -> Result<::landlock::RestrictionStatus, RulesetError> {
    let rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?;
    let rules = match (profile, PathFd::new("/")) {
        (Profile::Reader, Ok(root)) => {
            rules.add_rule(PathBeneath::new(root, AccessFs::ReadFile | AccessFs::ReadDir))?
        }
        // Without the root there is no rule, and nothing can be read: closed, not open.
        _ => rules,
    };
    rules.restrict_self()
}
