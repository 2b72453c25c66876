//! Identity providers, their subjects, and passkeys.

use quell_store::identity::{self, Identity};
use quell_store::identity_provider::{self, IdentityProvider};
use quell_store::membership::{self, Membership};
use quell_store::passkey::{self, Passkey};
use quell_store::person::{self, Person};
use quell_store::person_setting::{self, PersonSetting};
use quell_store::{Error, Page};
use uuid::Uuid;

use crate::backend::World;

crate::both!(
    a_subject_is_of_its_provider,
    a_provider_takes_what_it_gave,
    a_passkey_is_used_from_where_it_was_left,
    settings_are_of_one_person_in_one_tenant
);

async fn somebody(world: &World, email: &str) -> Person {
    let id = Uuid::now_v7();
    let row = Person {
        tenant_id: world.tenant,
        id,
        human: id,
        name: "Ana".to_owned(),
        email: email.to_owned(),
        email_key: email.to_owned(),
        local_key: None,
        password: None,
        password_changed_at: None,
        totp: None,
        totp_step: None,
        recovery: None,
        state: "active".to_owned(),
        created_at: 1,
        last_login_at: None,
    };
    let kept = row.clone();
    world.write(move |tx| person::insert(tx, &row)).await.unwrap();
    kept
}

async fn provider(world: &World, name: &str, issuer: &str) -> IdentityProvider {
    let row = IdentityProvider {
        tenant_id: world.tenant,
        id: Uuid::now_v7(),
        name: name.to_owned(),
        issuer: issuer.to_owned(),
        client_id: "quell".to_owned(),
        client_secret: Some(vec![1, 2]),
        settings: "{}".to_owned(),
        state: "active".to_owned(),
        created_at: 1,
        updated_at: 1,
    };
    let kept = row.clone();
    world.write(move |tx| identity_provider::insert(tx, &row)).await.unwrap();
    kept
}

fn subject(of: &IdentityProvider, person: &Person) -> Identity {
    Identity {
        tenant_id: of.tenant_id,
        provider_id: of.id,
        subject: "s".to_owned(),
        person_id: person.id,
        created_at: 1,
        last_login_at: 1,
    }
}

async fn a_subject_is_of_its_provider(world: &World) {
    let (first, second) = (provider(world, "a", "https://a").await, provider(world, "b", "https://b").await);
    let person = somebody(world, "ana@x.example").await;
    let (row, again) = (subject(&first, &person), subject(&first, &person));
    world.write(move |tx| identity::insert(tx, &row)).await.unwrap();
    let twice = world.write(move |tx| identity::insert(tx, &again)).await;
    assert!(matches!(twice, Err(Error::Conflict(_))), "{twice:?}");
    let (tenant, one, two) = (world.tenant, first.id, second.id);
    world.write(move |tx| identity::logged_in(tx, tenant, one, "s", 9)).await.unwrap();
    let found = world.read(move |tx| identity::get(tx, tenant, one, "s")).await.unwrap();
    assert_eq!((found.person_id, found.last_login_at), (person.id, 9));
    assert_eq!(world.read(move |tx| identity::get(tx, tenant, two, "s")).await, None);
    assert_eq!(world.read(move |tx| identity::get(tx, Uuid::nil(), one, "s")).await, None);
    assert_eq!(world.read(|tx| identity::human(tx, "https://a", "s")).await, Some(person.human));
    assert_eq!(world.read(|tx| identity::human(tx, "https://b", "s")).await, None);
}

async fn a_provider_takes_what_it_gave(world: &World) {
    let own = provider(world, "a", "https://a").await;
    let person = somebody(world, "ana@x.example").await;
    let (tenant, id, who) = (world.tenant, own.id, person.id);
    let row = subject(&own, &person);
    world
        .write(move |tx| {
            identity::insert(tx, &row)?;
            for (role, source) in [
                ("analyst", id.to_string()),
                ("auditor", id.to_string()),
                ("analyst", membership::MANUAL.to_owned()),
            ] {
                let row = Membership {
                    tenant_id: tenant,
                    person_id: who,
                    role: role.to_owned(),
                    source,
                    granted_at: 1,
                    granted_by: "x".to_owned(),
                };
                assert!(membership::insert(tx, &row)?);
            }
            Ok(())
        })
        .await
        .unwrap();
    let stuck = world.write(move |tx| identity_provider::delete(tx, tenant, id)).await;
    assert!(stuck.is_err(), "its subjects still name it");
    let changed = IdentityProvider { name: "z".to_owned(), client_secret: None, ..own };
    let wanted = changed.clone();
    world.write(move |tx| identity_provider::update(tx, &changed)).await.unwrap();
    assert_eq!(world.read(move |tx| identity_provider::by_name(tx, tenant, "z")).await, Some(wanted));
    let page = Page { after: None, limit: 5 };
    assert_eq!(world.read(move |tx| identity_provider::list(tx, tenant, page)).await.rows.len(), 1);
    let taken = world
        .write(move |tx| {
            assert_eq!(identity_provider::take_roles(tx, Uuid::nil(), id)?, 0);
            let taken =
                (identity_provider::take_roles(tx, tenant, id)?, identity_provider::forget(tx, tenant, id)?);
            identity_provider::delete(tx, tenant, id)?;
            Ok(taken)
        })
        .await
        .unwrap();
    assert_eq!(taken, (2, 1));
    let left = world.read(move |tx| membership::of_person(tx, tenant, who)).await;
    assert_eq!(left.len(), 1, "what a person gave stays");
    assert_eq!(world.read(move |tx| identity_provider::get(tx, tenant, id)).await, None);
}

async fn a_passkey_is_used_from_where_it_was_left(world: &World) {
    let person = somebody(world, "ana@x.example").await;
    let row = Passkey {
        tenant_id: world.tenant,
        id: Uuid::now_v7(),
        person_id: person.id,
        name: "phone".to_owned(),
        credential_id: vec![9; 32],
        credential: "one".to_owned(),
        created_at: 1,
        last_used_at: None,
    };
    let (kept, twin) = (row.clone(), Passkey { id: Uuid::now_v7(), ..row.clone() });
    world.write(move |tx| passkey::insert(tx, &row)).await.unwrap();
    let twice = world.write(move |tx| passkey::insert(tx, &twin)).await;
    assert!(matches!(twice, Err(Error::Conflict(_))), "{twice:?}");
    assert_eq!(world.read(|tx| passkey::by_credential(tx, &[9; 32])).await, Some(kept.clone()));
    let before = kept.clone();
    let used = world
        .write(move |tx| Ok((passkey::used(tx, &before, "two", 5)?, passkey::used(tx, &before, "three", 6)?)))
        .await
        .unwrap();
    assert_eq!(used, (true, false), "the second began where the first did");
    let (tenant, who, id) = (world.tenant, person.id, kept.id);
    let denied = world.write(move |tx| passkey::rename(tx, tenant, Uuid::nil(), id, "mine")).await;
    assert!(matches!(denied, Err(Error::NotFound(_))), "{denied:?}");
    world.write(move |tx| passkey::rename(tx, tenant, who, id, "old")).await.unwrap();
    let rows = world.read(move |tx| passkey::of_person(tx, tenant, who)).await;
    assert_eq!(
        (rows[0].name.as_str(), rows[0].credential.as_str(), rows[0].last_used_at),
        ("old", "two", Some(5))
    );
    world.write(move |tx| passkey::delete(tx, tenant, who, id)).await.unwrap();
    assert_eq!(world.read(|tx| passkey::by_credential(tx, &[9; 32])).await, None);
}

async fn settings_are_of_one_person_in_one_tenant(world: &World) {
    let (tenant, other) = (world.tenant, world.other);
    let (ana, bea) =
        (somebody(world, "ana@quell.example").await.id, somebody(world, "bea@quell.example").await.id);
    let set = async |tenant: Uuid, person: Uuid, name: &str, value: &str| {
        let row = PersonSetting { name: name.to_owned(), value: value.to_owned(), updated_at: 7 };
        world.write(move |tx| person_setting::set(tx, tenant, person, &row)).await.unwrap();
    };
    let held = async |tenant: Uuid, person: Uuid| -> Vec<(String, String)> {
        let rows = world.read(move |tx| person_setting::of_person(tx, tenant, person, 9)).await;
        rows.into_iter().map(|row| (row.name, row.value)).collect()
    };
    set(tenant, ana, "theme", "1").await;
    set(tenant, ana, "theme", "2").await;
    set(tenant, ana, "a", "3").await;
    set(other, ana, "theme", "4").await;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(held(tenant, ana).await, [pair("a", "3"), pair("theme", "2")]);
    assert_eq!(held(other, ana).await, [pair("theme", "4")]);
    assert!(held(tenant, bea).await.is_empty());
    assert_eq!(world.read(move |tx| person_setting::count_others(tx, tenant, ana, "theme")).await, 1);
    assert!(!world.write(move |tx| person_setting::delete(tx, tenant, bea, "theme")).await.unwrap());
    assert!(world.write(move |tx| person_setting::delete(tx, tenant, ana, "theme")).await.unwrap());
    assert_eq!(held(other, ana).await, [pair("theme", "4")]);
}
