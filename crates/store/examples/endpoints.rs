//! How long pages of a list of endpoints take, by order and filter: `cargo run -p quell-store --example endpoints [COUNT]`.
#![expect(clippy::print_stdout, reason = "it reports")]

use std::time::{Duration, Instant};

use quell_store::{
    Error, Options, Store,
    endpoint::{
        self,
        list::{self, By, Filter, Order, Place},
    },
    tenant,
};
use uuid::Uuid;

const TURNS: usize = 40;
const PAGE: u32 = 500;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: usize = std::env::args().nth(1).map_or(Ok(50_000), |text| text.parse())?;
    let dir = tempfile::tempdir()?;
    let url = format!("sqlite:{}", dir.path().join("quell.db").display());
    let store = Store::open(&url, Options::default(), 1).await?;
    let tenant = Uuid::now_v7();
    fill(&store, tenant, count).await?;
    println!("{count} endpoints, pages of {PAGE}, milliseconds");
    let none = Filter::default;
    let text = |text: &str| Filter { text: Some(text.to_owned()), ..none() };
    for (name, filter) in [
        ("no filter", none()),
        ("text, few fit", text("web-04999")),
        ("text, none fits", text("nowhere")),
        ("text, all fit", text("web")),
        ("an address", text("10.0.195.")),
        ("a tag", Filter { tags: vec!["rare".to_owned()], ..none() }),
    ] {
        for (sort, by) in [("enrolled", By::Enrolled), ("name", By::Name), ("last seen", By::LastSeen)] {
            measure(&store, tenant, (name, sort), &filter, by).await?;
        }
        let filter = filter.clone();
        let times = times(async || {
            let filter = filter.clone();
            store.read(move |tx| list::count(tx, tenant, &filter, None)).await.map(drop)
        });
        tell(name, "count", "", times.await?);
    }
    let times = times(async || {
        let keep = |id: Uuid| id.as_u128().is_multiple_of(10);
        let read = store.read(move |tx| {
            let order = Order { by: By::Name, upwards: true };
            list::list(tx, tenant, &Filter::default(), order, None, PAGE, Some(&keep))
        });
        read.await.map(drop)
    });
    tell("a tenth connected", "name", "first", times.await?);
    Ok(())
}

async fn measure(
    store: &Store,
    tenant: Uuid,
    (name, sort): (&str, &str),
    filter: &Filter,
    by: By,
) -> Result<(), Error> {
    let order = Order { by, upwards: by == By::Name };
    let page = async |after: Option<Place>| {
        let filter = filter.clone();
        store.read(move |tx| list::list(tx, tenant, &filter, order, after.as_ref(), PAGE, None)).await
    };
    tell(name, sort, "first", times(async || page(None).await.map(drop)).await?);
    // From the middle of the list, where there is one.
    let mut middle = None;
    for _ in 0..50 {
        match page(middle.clone()).await?.next {
            Some(next) => middle = Some(next),
            None => break,
        }
    }
    if middle.is_some() {
        tell(name, sort, "middle", times(async || page(middle.clone()).await.map(drop)).await?);
    }
    Ok(())
}

async fn times(turn: impl AsyncFn() -> Result<(), Error>) -> Result<Vec<Duration>, Error> {
    let mut times = Vec::with_capacity(TURNS);
    for _ in 0..TURNS {
        let began = Instant::now();
        turn().await?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

fn tell(name: &str, sort: &str, place: &str, times: Vec<Duration>) {
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1000.0;
    println!("{name:<18} {sort:<10} {place:<7} p50 {:7.1}  p95 {:7.1}", at(50), at(95));
}

async fn fill(store: &Store, tenant: Uuid, count: usize) -> Result<(), Error> {
    let row = tenant::Tenant { id: tenant, name: "acme".to_owned(), created_at: 1 };
    store.write(move |tx| tenant::insert(tx, &row)).await?;
    for begin in (0..count).step_by(1000) {
        store
            .write(move |tx| {
                for number in begin..count.min(begin + 1000) {
                    let row = endpoint_row(tenant, number);
                    endpoint::insert(tx, &row)?;
                    let tags: Vec<String> = serde_json::from_str(&row.tags).unwrap_or_default();
                    endpoint::set_tags(tx, tenant, row.id, &tags, &row.tags)?;
                }
                Ok::<_, Error>(())
            })
            .await?;
    }
    Ok(())
}

fn endpoint_row(tenant_id: Uuid, number: usize) -> endpoint::Endpoint {
    let id = Uuid::now_v7();
    let shuffled = number * 7919 % 65_521;
    let tags = if number.is_multiple_of(1000) { "[\"lab\",\"rare\"]" } else { "[\"lab\"]" };
    let able: Vec<String> =
        (0..20).map(|n| format!("{{\"action\":\"endpoint.action_{n}\",\"revision\":1}}")).collect();
    endpoint::Endpoint {
        tenant_id,
        id,
        name: format!("web-{shuffled:05}"),
        state: "active".to_owned(),
        public_key: vec![7; 32],
        cert_serial: id.simple().to_string(),
        cert_not_after: i64::MAX,
        fingerprint: format!("{}{}", id.simple(), id.simple()),
        os: "linux".to_owned(),
        arch: "x86_64".to_owned(),
        agent_version: "0.1.0".to_owned(),
        facts: format!(
            "{{\"hostname\":\"web-{shuffled:05}.corp.example\",\"addresses\":[\"10.0.{}.{}\",\"fe80::{number:x}\"],\
            \"logged_on\":[\"user{}\"],\"os_name\":\"Debian GNU/Linux\",\"os_version\":\"12\",\"kernel\":\"6.1.0-18\",\
            \"boot_id\":\"{id}\",\"fingerprint_sources\":[\"machine-id\",\"dmi\",\"mac\"],\"memory\":8589934592}}",
            number / 256,
            number % 256,
            number % 900
        ),
        capabilities: format!("[{}]", able.join(",")),
        isolation: None,
        tags: tags.to_owned(),
        enrolled_at: 1,
        last_seen_at: (!number.is_multiple_of(50))
            .then_some(1_700_000_000_000_000 + (shuffled as i64) * 1000),
        alarm: None,
    }
}
