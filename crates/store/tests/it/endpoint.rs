//! Endpoints: facts, tags, certificates, revocation, lists.

use quell_store::{
    Error, Page,
    endpoint::{
        self, Facts, Filter,
        list::{self, By, Order, Place},
    },
};
use uuid::Uuid;

use crate::backend::World;

crate::both!(
    a_life,
    a_name_is_had_by_one,
    tags_select,
    lists_filter_and_page,
    lists_sort_search_and_count,
    names_and_addresses_lead_to_one_endpoint_or_to_none,
    another_tenant_sees_and_changes_nothing
);

async fn names_and_addresses_lead_to_one_endpoint_or_to_none(world: &World) {
    let tenant = world.tenant;
    let (one, two) = (world.endpoint("web-1").await, world.endpoint("web-2").await);
    let says = async |id: Uuid, facts: &'static str| {
        let write = move |tx: &mut quell_store::Tx<'_>| {
            let facts = endpoint::Facts { agent_version: "1", facts, capabilities: "[]" };
            endpoint::set_facts(tx, tenant, id, &facts, 1)
        };
        world.write(write).await.unwrap();
    };
    says(one, r#"{"hostname":"Alpha","addresses":["10.0.0.1","172.17.0.1","127.0.0.1"]}"#).await;
    says(two, r#"{"hostname":"web-1","addresses":["10.0.0.2","172.17.0.1"]}"#).await;
    let find = async |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let found = world.read(move |tx| endpoint::place::find(tx, tenant, &names)).await;
        found.into_iter().collect::<Vec<_>>()
    };
    let name = |name: &str, id| (name.to_owned(), id);
    // Its own name goes before what another calls itself; what several have leads nowhere.
    let asked = ["ALPHA", "web-1", "10.0.0.2", "172.17.0.1", "127.0.0.1", "nobody"];
    assert_eq!(find(&asked).await, [name("10.0.0.2", two), name("ALPHA", one), name("web-1", one)]);
    says(one, r#"{"hostname":"Beta","addresses":["10.0.0.3"]}"#).await;
    let after = [name("10.0.0.3", one), name("172.17.0.1", two), name("beta", one)];
    assert_eq!(find(&["alpha", "beta", "10.0.0.1", "10.0.0.3", "172.17.0.1"]).await, after);
    world.write(move |tx| endpoint::revoke(tx, tenant, one)).await.unwrap();
    assert_eq!(find(&["beta", "web-1"]).await, [name("web-1", two)]);
    let other = Uuid::now_v7();
    let elsewhere = world.read(move |tx| endpoint::place::find(tx, other, &["web-1".to_owned()])).await;
    assert!(elsewhere.is_empty());
}

async fn a_life(world: &World) {
    let (tenant, id) = (world.tenant, world.endpoint("web-1").await);
    world
        .write(move |tx| {
            let facts = Facts { agent_version: "0.2", facts: "{\"k\":1}", capabilities: "[1]" };
            endpoint::set_facts(tx, tenant, id, &facts, 77)?;
            endpoint::set_name(tx, tenant, id, "web-1b")?;
            endpoint::set_certificate(tx, tenant, id, "0b", 123)?;
            endpoint::set_isolation(tx, tenant, id, Some("{}"))?;
            endpoint::set_alarm(tx, tenant, id, Some("copied identity"))?;
            endpoint::seen(tx, &[(tenant, id, 88)])
        })
        .await
        .unwrap();
    let found = world.read(move |tx| endpoint::get(tx, tenant, id)).await.unwrap();
    assert_eq!(
        (found.name.as_str(), found.agent_version.as_str(), found.facts.as_str()),
        ("web-1b", "0.2", "{\"k\":1}")
    );
    assert_eq!((found.cert_serial.as_str(), found.cert_not_after, found.last_seen_at), ("0b", 123, Some(88)));
    assert_eq!((found.isolation.as_deref(), found.alarm.as_deref()), (Some("{}"), Some("copied identity")));
    assert_eq!(world.read(move |tx| endpoint::by_name(tx, tenant, "web-1b")).await, [id]);
    assert_eq!(world.read(move |tx| endpoint::by_fingerprint(tx, tenant, "machine of web-1")).await, [id]);
    world.write(move |tx| endpoint::revoke(tx, tenant, id)).await.unwrap();
    assert!(world.read(move |tx| endpoint::active_ids(tx, tenant, 10)).await.is_empty());
    let renewed = world.write(move |tx| endpoint::set_certificate(tx, tenant, id, "0c", 999)).await;
    assert!(matches!(renewed, Err(Error::NotFound(_))), "a revoked endpoint gets no certificate");
    assert!(world.write(move |tx| endpoint::revoke(tx, tenant, id)).await.is_err());
}

async fn a_name_is_had_by_one(world: &World) {
    let (tenant, other) = (world.tenant, world.other);
    let free = async |tenant: Uuid, wanted: &str| {
        let wanted = wanted.to_owned();
        world.write(move |tx| endpoint::free_name(tx, tenant, &wanted)).await.unwrap()
    };
    for expected in ["web", "web-2", "web-3", "web-4", "web-5", "web-6", "web-7"] {
        let name = free(tenant, "web").await;
        assert_eq!(name, expected);
        world.endpoint(&name).await;
    }
    assert_eq!(free(other, "web").await, "web", "another tenant's names are its own");
    let long = "\u{e4}".repeat(126);
    let first = world.endpoint(&long).await;
    let second = free(tenant, &long).await;
    assert!(second.ends_with("\u{e4}-2") && second.len() <= 253, "{second}");
    let renamed = world.write(move |tx| endpoint::set_name(tx, tenant, first, "web-4")).await;
    assert!(matches!(renamed, Err(Error::Conflict(_))), "{renamed:?}");
    let other_tenants = world.write(move |tx| endpoint::set_name(tx, other, first, "mine")).await;
    assert!(matches!(other_tenants, Err(Error::NotFound(_))), "{other_tenants:?}");
    let taken = world.read(move |tx| endpoint::by_name(tx, tenant, "web-4")).await[0];
    world.write(move |tx| endpoint::revoke(tx, tenant, taken)).await.unwrap();
    world.write(move |tx| endpoint::set_name(tx, tenant, first, "web-4")).await.unwrap();
    world.write(move |tx| endpoint::set_name(tx, tenant, first, "web-4")).await.unwrap();
    assert_eq!(world.read(move |tx| endpoint::by_name(tx, tenant, "web-4")).await, [first]);
}

async fn tags_select(world: &World) {
    let tenant = world.tenant;
    let (a, b, c) = (world.endpoint("a").await, world.endpoint("b").await, world.endpoint("c").await);
    world
        .write(move |tx| {
            endpoint::set_tags(tx, tenant, a, &["x".to_owned(), "y".to_owned()], "[\"x\",\"y\"]")?;
            endpoint::set_tags(tx, tenant, b, &["x".to_owned()], "[\"x\"]")?;
            endpoint::set_tags(tx, tenant, c, &["x".to_owned()], "[\"x\"]")?;
            endpoint::set_tags(tx, tenant, a, &["y".to_owned()], "[\"y\"]")?;
            endpoint::revoke(tx, tenant, c)
        })
        .await
        .unwrap();
    assert_eq!(world.read(move |tx| endpoint::tagged_ids(tx, tenant, "x", 10)).await, [b]);
    assert_eq!(world.read(move |tx| endpoint::tagged_ids(tx, tenant, "y", 10)).await, [a]);
    assert_eq!(world.read(move |tx| endpoint::get(tx, tenant, a)).await.unwrap().tags, "[\"y\"]");
}

async fn lists_filter_and_page(world: &World) {
    let tenant = world.tenant;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(world.endpoint(&format!("host-{number}")).await);
    }
    let isolated = ids[2];
    world.write(move |tx| endpoint::set_isolation(tx, tenant, isolated, Some("{}"))).await.unwrap();
    let list = async |filter: Filter, page: Page| {
        world.read(move |tx| endpoint::list(tx, tenant, &filter, page)).await
    };
    let first = list(Filter::default(), Page { after: None, limit: 2 }).await;
    let second = list(Filter::default(), Page { after: first.next, limit: 3 }).await;
    let seen: Vec<Uuid> = first.rows.iter().chain(&second.rows).map(|row| row.id).collect();
    assert_eq!(seen, ids.iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(second.next, None);
    let of = async |filter: Filter| list(filter, Page::default()).await.rows.len();
    assert_eq!(of(Filter { isolated: Some(true), ..Filter::default() }).await, 1);
    assert_eq!(of(Filter { isolated: Some(false), ..Filter::default() }).await, 4);
    assert_eq!(of(Filter { name: Some("host-3".to_owned()), ..Filter::default() }).await, 1);
    assert_eq!(of(Filter { os: Some("windows".to_owned()), ..Filter::default() }).await, 0);
    assert_eq!(of(Filter { state: Some("active".to_owned()), ..Filter::default() }).await, 5);
}

/// All names, in pages of two.
async fn walked(world: &World, filter: &Filter, order: Order, keep: Option<fn(Uuid) -> bool>) -> Vec<String> {
    let (tenant, mut names, mut after) = (world.tenant, Vec::new(), None::<Place>);
    loop {
        let (filter, from) = (filter.clone(), after.clone());
        let page = world
            .read(move |tx| {
                let keep = keep.as_ref().map(|keep| keep as &dyn Fn(Uuid) -> bool);
                list::list(tx, tenant, &filter, order, from.as_ref(), 2, keep)
            })
            .await;
        names.extend(page.rows.into_iter().map(|row| row.name));
        after = page.next;
        if after.is_none() {
            return names;
        }
    }
}

async fn lists_sort_search_and_count(world: &World) {
    let (tenant, other) = (world.tenant, world.other);
    let mut ids = Vec::new();
    for name in ["beta", "Alpha", "gamma", "100%_sure!", "\u{d6}rebro"] {
        ids.push(world.endpoint(name).await);
    }
    let [beta, alpha, gamma, sure, _] = ids[..] else { panic!("five") };
    world
        .write(move |tx| {
            endpoint::seen(tx, &[(tenant, gamma, 30), (tenant, beta, 20), (tenant, alpha, 20)])?;
            for id in [alpha, sure] {
                endpoint::set_tags(tx, tenant, id, &["x".to_owned(), "Yellow".to_owned()], "[\"x\",\"Yellow\"]")?;
            }
            endpoint::set_tags(tx, tenant, beta, &["x".to_owned()], "[\"x\"]")?;
            let facts = "{\"hostname\":\"DB.internal\",\"addresses\":[\"10.9.8.7\"],\"logged_on\":[\"Ann\"],\"os_name\":\"Alpine\"}";
            let facts = Facts { agent_version: "1", facts, capabilities: "[]" };
            endpoint::set_facts(tx, tenant, gamma, &facts, 30)
        })
        .await
        .unwrap();
    let all = Filter::default();
    for (by, up, down) in [
        (By::Name, "100%_sure! Alpha beta gamma \u{d6}rebro", "\u{d6}rebro gamma beta Alpha 100%_sure!"),
        (By::LastSeen, "100%_sure! \u{d6}rebro beta Alpha gamma", "gamma Alpha beta \u{d6}rebro 100%_sure!"),
        (By::Enrolled, "beta Alpha gamma 100%_sure! \u{d6}rebro", "\u{d6}rebro 100%_sure! gamma Alpha beta"),
    ] {
        for (upwards, expected) in [(true, up), (false, down)] {
            assert_eq!(
                walked(world, &all, Order { by, upwards }, None).await.join(" "),
                expected,
                "{by:?} {upwards}"
            );
        }
    }
    let by_name = Order { by: By::Name, upwards: true };
    for (text, expected) in [
        ("ALPHA", "Alpha"),
        ("alp", "Alpha gamma"),
        ("db.INT", "gamma"),
        ("10.9.8", "gamma"),
        ("ann", "gamma"),
        ("yellow", "100%_sure! Alpha"),
        ("%", "100%_sure!"),
        ("_", "100%_sure!"),
        ("!", "100%_sure!"),
        ("\u{f6}REBRO", "\u{d6}rebro"),
        ("alpha\nx", "Alpha"),
        ("'; DROP TABLE endpoint", ""),
        ("nowhere", ""),
    ] {
        let filter = Filter { text: Some(text.to_owned()), ..Filter::default() };
        assert_eq!(walked(world, &filter, by_name, None).await.join(" "), expected, "{text}");
        let counted = world.read(move |tx| list::count(tx, tenant, &filter, None)).await;
        assert_eq!(counted, expected.split(' ').filter(|name| !name.is_empty()).count() as u64, "{text}");
    }
    for (tags, expected) in
        [(&["x"][..], 3), (&["x", "Yellow"], 2), (&["x", "no"], 0), (&["x", "x", "x", "x", "x"], 0)]
    {
        let filter = Filter { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..Filter::default() };
        assert_eq!(walked(world, &filter, by_name, None).await.len(), expected, "{tags:?}");
    }
    let kept = walked(world, &all, by_name, Some(|id| id.as_u128() % 2 == 0)).await;
    let rest = walked(world, &all, by_name, Some(|id| id.as_u128() % 2 == 1)).await;
    assert_eq!(kept.len() + rest.len(), 5);
    let even = ids.iter().filter(|id| id.as_u128() % 2 == 0).count() as u64;
    let filter = Filter::default();
    let counted = world
        .read(move |tx| list::count(tx, tenant, &filter, Some(&|id: Uuid| id.as_u128().is_multiple_of(2))))
        .await;
    assert_eq!((counted, kept.len() as u64), (even, even));
    assert_eq!(world.read(move |tx| list::count(tx, other, &Filter::default(), None)).await, 0);
    // A name that was given later is found and sorted by.
    world.write(move |tx| endpoint::set_name(tx, tenant, gamma, "Zeta")).await.unwrap();
    assert_eq!(walked(world, &all, Order { by: By::Name, upwards: false }, None).await[1], "Zeta");
}

async fn another_tenant_sees_and_changes_nothing(world: &World) {
    let (tenant, other, id) = (world.tenant, world.other, world.endpoint("a").await);
    assert_eq!(world.read(move |tx| endpoint::get(tx, other, id)).await, None);
    assert!(world.read(move |tx| endpoint::active_ids(tx, other, 10)).await.is_empty());
    assert!(world.read(move |tx| endpoint::by_name(tx, other, "a")).await.is_empty());
    assert!(world.write(move |tx| endpoint::revoke(tx, other, id)).await.is_err());
    assert!(world.write(move |tx| endpoint::set_isolation(tx, other, id, Some("{}"))).await.is_err());
    assert!(world.write(move |tx| endpoint::set_tags(tx, other, id, &["x".to_owned()], "[]")).await.is_err());
    world.write(move |tx| endpoint::seen(tx, &[(other, id, 5)])).await.unwrap();
    let found = world.read(move |tx| endpoint::get(tx, tenant, id)).await.unwrap();
    assert_eq!((found.state.as_str(), found.isolation, found.last_seen_at), ("active", None, None));
}
