//! PROMISES, "Redis gone": killed, frozen, flushed, absent at start.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use redis::AsyncCommands as _;
use reqwest::Method;
use system_tests::{
    databases::Databases, door::Door, person::Person, proxy::Proxy, redis_server::RedisServer, stack::Stack,
    wait::until,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Somebody who reads all the time with one token.
struct Reader {
    statuses: Arc<Mutex<Vec<u16>>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// How Redis goes away, or loses its memory.
#[derive(Clone, Copy, Debug)]
enum Absence {
    Frozen,
    Killed,
    Flushed,
}

// === impl Reader ===

impl Reader {
    fn start(person: &Person) -> Self {
        let (statuses, stop) = (Arc::<Mutex<Vec<u16>>>::default(), CancellationToken::new());
        let (person, log, until) = (person.clone(), Arc::clone(&statuses), stop.clone());
        let task = tokio::spawn(async move {
            while !until.is_cancelled() {
                // No answer is 0.
                let status = person.get("/calendar/calendars").await.map_or(0, |answer| answer.status);
                log.lock().unwrap_or_else(PoisonError::into_inner).push(status);
            }
        });
        Self { statuses, stop, task }
    }

    fn saw(&self, status: u16) -> bool {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner).contains(&status)
    }

    /// What each read was answered, in order.
    async fn stop(self) -> Result<Vec<u16>> {
        self.stop.cancel();
        self.task.await?;
        Ok(std::mem::take(&mut *self.statuses.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// At least 99.9 % of enough reads.
fn must_be_answered(statuses: &[u16], enough: usize) -> Result<()> {
    let answered = statuses.iter().filter(|status| **status == 200).count();
    println!("{answered} of {} reads were answered", statuses.len());
    ensure!(statuses.len() >= enough, "only {} reads, {enough} needed", statuses.len());
    let other: Vec<_> = statuses.iter().filter(|status| **status != 200).take(8).collect();
    ensure!(answered * 1000 >= statuses.len() * 999, "{answered} of {} answered: {other:?}", statuses.len());
    Ok(())
}

/// Once refused, refused for ever.
fn must_stay_refused(statuses: &[u16]) -> Result<()> {
    let first = statuses.iter().position(|status| *status == 401).context("was never refused")?;
    let other: Vec<_> = statuses[first..].iter().filter(|status| **status != 401).take(8).collect();
    ensure!(other.is_empty(), "a refused token was answered {other:?}");
    Ok(())
}

/// How often this layer told whether a session lives, so far.
fn lookups(stack: &Stack, layer: &str) -> u64 {
    let label = format!("layer=\"{layer}\"");
    let metrics = stack.metrics();
    let mut lines = metrics.lines().filter(|line| line.starts_with("gateway_session_lookups_total{"));
    let line = lines.find(|line| line.contains(&label)).unwrap_or_default();
    line.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or_default()
}

/// Waits until this layer has told twice more: the first answer may be one from before.
async fn is_asked(stack: &Stack, layer: &str) -> Result<()> {
    let before = lookups(stack, layer);
    until(&format!("answers from {layer}"), async || (lookups(stack, layer) >= before + 2).then_some(()))
        .await
}

async fn client(redis: &RedisServer) -> Result<redis::aio::MultiplexedConnection> {
    Ok(redis::Client::open(redis.url())?.get_multiplexed_async_connection().await?)
}

fn key(session: &str) -> String {
    format!("gateway:session:{session}")
}

/// Waits for an entry about the session that is as wanted.
async fn entry(redis: &RedisServer, session: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
    let mut client = client(redis).await?;
    until("the session's entry", async || {
        let found: Option<String> = client.get(key(session)).await.ok()?;
        found.filter(|value| wanted(value))
    })
    .await
}

async fn session_of(person: &Person) -> Result<String> {
    let list = person.get("/user/sessions").await?.expect(200)?;
    let sessions = list["sessions"].as_array().cloned().unwrap_or_default();
    let current = sessions.iter().find(|session| session["current"] == true);
    Ok(current.and_then(|session| session["session_id"].as_str()).context("no current session")?.to_owned())
}

async fn ask(door: &Door, person: &Person) -> Result<u16> {
    let call = door.call(Method::GET, "/calendar/calendars").bearer(&person.token);
    Ok(call.send().await?.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_on_whatever_becomes_of_redis() -> Result<()> {
    let databases = Databases::fresh().await?;
    let proxy = Proxy::start(databases.address()?).await?;
    let (auth, _) = databases.through(proxy.address());
    let mut redis = RedisServer::absent()?;
    let settings = Stack::builder().databases(databases).set("AUTH_DATABASE_URL", &auth);
    let stack = settings.set("REDIS_URL", &redis.url()).start().await?;
    let ann = stack.person("ann").await?;
    let reader = Reader::start(&ann);

    is_asked(&stack, "authority").await.context("absent at start")?;
    redis.run().await?;
    is_asked(&stack, "shared").await.context("started")?;
    redis.freeze()?;
    is_asked(&stack, "authority").await.context("frozen")?;
    redis.thaw()?;
    is_asked(&stack, "shared").await.context("thawed")?;
    let authority = lookups(&stack, "authority");
    redis.flush().await?;
    until("a question after FLUSHALL", async || (lookups(&stack, "authority") > authority).then_some(()))
        .await?;
    is_asked(&stack, "shared").await.context("flushed")?;
    redis.kill().await?;
    is_asked(&stack, "authority").await.context("killed")?;
    redis.run().await?;
    is_asked(&stack, "shared").await.context("started again")?;
    must_be_answered(&reader.stop().await?, 300)?;

    // The control: with nobody left to ask, the same count is red.
    redis.kill().await?;
    proxy.break_networking();
    until("the end of what is remembered", async || {
        (ask(stack.door(), &ann).await.ok()? == 503).then_some(())
    })
    .await?;
    let reader = Reader::start(&ann);
    until("a read that fails", async || reader.saw(503).then_some(())).await?;
    proxy.restore();
    ensure!(must_be_answered(&reader.stop().await?, 1).is_err(), "the count cannot turn red");
    until("reads again", async || (ask(stack.door(), &ann).await.ok()? == 200).then_some(())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_stays_refused() -> Result<()> {
    let mut redis = RedisServer::start().await?;
    let mut stack = Stack::builder().set("REDIS_URL", &redis.url()).start().await?;
    let elsewhere = stack.another_gateway().await?;
    let ann = stack.person("ann").await?;
    let mut revoked = None;
    for absence in [Absence::Frozen, Absence::Killed, Absence::Flushed] {
        let lost = Person::login(stack.door(), "ann").await?;
        let entry = revoke_during(&mut stack, &mut redis, &elsewhere, &lost, absence)
            .await
            .with_context(|| format!("{absence:?}"))?;
        // Normal again: the cache is used for those who live.
        let reader = Reader::start(&ann);
        is_asked(&stack, "shared").await?;
        must_be_answered(&reader.stop().await?, 1)?;
        revoked = Some((lost, entry));
    }

    // The control: a gateway that hears nothing of the end and finds a "live" in Redis lets the token in,
    // so the refusals are made of just these two. The feed alone holds against the same lie.
    let (lost, (session, account)) = revoked.context("no absence")?;
    stack.truth().advance_clock(100).await?;
    let deaf = stack.another_gateway().await?;
    client(&redis).await?.set_ex::<_, _, ()>(key(&session), account, 30).await?;
    ensure!(ask(&deaf, &lost).await? == 200, "Redis is not asked");
    ensure!(ask(&elsewhere, &lost).await? == 401, "the feed of ended sessions is not heard");
    Ok(())
}

/// Ends a session while Redis is away; answers the session and its account.
async fn revoke_during(
    stack: &mut Stack,
    redis: &mut RedisServer,
    elsewhere: &Door,
    lost: &Person,
    absence: Absence,
) -> Result<(String, String)> {
    let session = session_of(lost).await?;
    let reader = Reader::start(&lost.at(elsewhere));
    let account = entry(redis, &session, |entry| entry != "ended").await?;
    match absence {
        Absence::Frozen => redis.freeze()?,
        Absence::Killed => redis.kill().await?,
        Absence::Flushed => {}
    }
    lost.logout().await?.expect(204)?;
    ensure!(ask(stack.door(), lost).await? == 401, "the gateway that was told lets the token in");
    until("a refusal elsewhere", async || reader.saw(401).then_some(())).await?;
    match absence {
        Absence::Frozen => redis.thaw()?,
        Absence::Killed => redis.run().await?,
        Absence::Flushed => redis.flush().await?,
    }
    if !matches!(absence, Absence::Flushed) {
        entry(redis, &session, |entry| entry == "ended").await?;
    }
    let newcomer = stack.another_gateway().await?;
    ensure!(ask(&newcomer, lost).await? == 401, "a gateway without a memory lets the token in");
    must_stay_refused(&reader.stop().await?)?;
    Ok((session, account))
}
