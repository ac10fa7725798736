//! The bus between processes: one channel of Redis.
//!
//! This instance's own rooms hear at once, without Redis. For the others two
//! loops run: one takes what is published from a bounded queue, many at a time,
//! and sends a sign of life twice a second; one reads what comes. Both stand on
//! one connection that comes back by itself and subscribes again. What was
//! published while Redis was away is lost; who was away hears [`Heard::Missed`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chassis::lifecycle::Lifecycle;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use redis::{Client, IntoConnectionInfo as _, Msg, ProtocolVersion, PushInfo, PushKind, RedisResult};
use tokio::{
    sync::{Mutex as AsyncMutex, Notify, broadcast, mpsc, watch},
    time::{Instant, MissedTickBehavior, interval},
};
use uuid::Uuid;

use self::link::Link;
use super::{
    BACKLOG, Feed, Heard, Publication, RoomBus, count,
    peers::{Numbered, Peers},
    pulse::Pulse,
    wire::{Content, Envelope, seal},
};

mod link;

/// Publications that may wait for Redis; more are lost, which the others notice.
const QUEUE: usize = 4_096;
/// What came from Redis and is not read yet.
const INCOMING: usize = 8_192;
/// Publications in one round trip.
const BATCH: usize = 128;
/// From one sign of life to the next.
const BEAT: Duration = Duration::from_millis(500);

/// The bus between processes.
pub struct RedisBus(Arc<Inner>);

struct Inner {
    /// This process, among all instances.
    instance: Uuid,
    local: broadcast::Sender<Heard>,
    outgoing: mpsc::Sender<Arc<Publication>>,
    /// The number of this instance's last envelope.
    number: AtomicU64,
    /// Envelopes that found the queue full: they have numbers too.
    overflowed: AtomicU64,
    pulse: Pulse,
    /// A sign of life is wanted now.
    beat_now: Notify,
    closed: watch::Sender<bool>,
}

// === impl RedisBus ===

impl RedisBus {
    /// The bus behind this address. Its loops run on the lifecycle until the
    /// bus is closed; Redis may be away, now and later.
    pub fn start(url: &str, lifecycle: &Lifecycle) -> RedisResult<Arc<Self>> {
        describe();
        let info = url.into_connection_info()?;
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(info.set_redis_settings(settings))?;
        let (outgoing, queue) = mpsc::channel(QUEUE);
        let (pushes, incoming) = mpsc::channel(INCOMING);
        let inner = Arc::new(Inner {
            instance: Uuid::new_v4(),
            local: broadcast::channel(BACKLOG).0,
            outgoing,
            number: AtomicU64::new(0),
            overflowed: AtomicU64::new(0),
            pulse: Pulse::default(),
            beat_now: Notify::new(),
            closed: watch::channel(false).0,
        });
        let (bus, queue) = (Arc::clone(&inner), Arc::new(AsyncMutex::new(queue)));
        lifecycle.supervise("calendar-bus-out", move || {
            let (bus, queue, link) =
                (Arc::clone(&bus), Arc::clone(&queue), Link::new(client.clone(), pushes.clone()));
            async move { bus.send(&mut *queue.lock().await, link).await }
        });
        let (bus, incoming) = (Arc::clone(&inner), Arc::new(AsyncMutex::new(incoming)));
        lifecycle.supervise("calendar-bus-in", move || {
            let (bus, incoming) = (Arc::clone(&bus), Arc::clone(&incoming));
            async move { bus.hear(&mut *incoming.lock().await).await }
        });
        Ok(Arc::new(Self(inner)))
    }
}

impl RoomBus for RedisBus {
    fn instance(&self) -> Uuid {
        self.0.instance
    }

    fn publish(&self, publication: Publication) {
        count(&publication);
        let what = Arc::new(publication);
        self.0.queue(Arc::clone(&what));
        self.0.tell(Heard::Said { by: self.instance(), what });
    }

    fn forward(&self, publication: Publication) {
        count(&publication);
        self.0.queue(Arc::new(publication));
    }

    fn subscribe(&self) -> Feed {
        self.0.local.subscribe()
    }

    fn is_healthy(&self) -> bool {
        self.0.pulse.is_healthy()
    }

    fn has_others(&self) -> bool {
        true
    }

    fn close(&self) {
        self.0.closed.send_replace(true);
    }
}

// === impl Inner ===

impl Inner {
    fn tell(&self, heard: Heard) {
        // An error means that nobody listens: nobody is in a room here.
        let _ = self.local.send(heard);
    }

    fn queue(&self, what: Arc<Publication>) {
        if self.outgoing.try_send(what).is_err() {
            self.overflowed.fetch_add(1, Ordering::Relaxed);
            lost("full", 1);
        }
    }

    /// Sends what is published until the bus is closed.
    async fn send(&self, queue: &mut mpsc::Receiver<Arc<Publication>>, mut link: Link) {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                _ = queue.recv_many(&mut batch, BATCH) => self.pass_on(&mut batch, &mut link).await,
                _ = beats.tick() => self.beat(&mut link).await,
                () = self.beat_now.notified() => self.beat(&mut link).await,
                () = self.is_closed() => {
                    while let Ok(what) = queue.try_recv() {
                        batch.push(what);
                    }
                    return self.pass_on(&mut batch, &mut link).await;
                }
            }
        }
    }

    /// Waits for the end.
    async fn is_closed(&self) {
        // An error cannot be: the sender is ours.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    async fn pass_on(&self, batch: &mut Vec<Arc<Publication>>, link: &mut Link) {
        let count = batch.len() as u64;
        if link.is_away() {
            // Waiting for each batch would only lose more. The numbers go on.
            self.number.fetch_add(count, Ordering::Relaxed);
            batch.clear();
            return lost("away", count);
        }
        let texts: Vec<_> = batch.drain(..).map(|what| self.seal(Some(&what))).collect();
        if link.publish(&texts).await {
            counter!("room_bus_published_total", "service" => "calendar").increment(count);
        } else {
            lost("away", count);
        }
    }

    /// A sign of life, and what is to be done about none.
    async fn beat(&self, link: &mut Link) {
        if self.pulse.look(Instant::now()) {
            self.tell_health(false);
        }
        if self.pulse.is_healthy() {
            link.works();
        } else {
            link.mend();
        }
        link.publish(&[self.seal(None)]).await;
    }

    fn seal(&self, what: Option<&Publication>) -> String {
        let skipped = self.overflowed.swap(0, Ordering::Relaxed);
        let number = self.number.fetch_add(skipped + 1, Ordering::Relaxed) + skipped + 1;
        seal(self.instance, number, what)
    }

    /// Reads what comes until the bus is closed.
    async fn hear(&self, incoming: &mut mpsc::Receiver<PushInfo>) {
        let mut peers = Peers::default();
        loop {
            tokio::select! {
                Some(push) = incoming.recv() => self.on_push(push, &mut peers),
                () = self.is_closed() => return,
            }
        }
    }

    fn on_push(&self, push: PushInfo, peers: &mut Peers) {
        match push.kind {
            PushKind::Message => {
                let message = Msg::from_push_info(push);
                let bytes = message.as_ref().map_or(&[][..], Msg::get_payload_bytes);
                self.on_message(bytes, peers);
            }
            PushKind::Subscribe => {
                // From here on everything is heard; what was before is in the log.
                self.missed();
                self.beat_now.notify_one();
            }
            PushKind::Disconnection if self.pulse.lost() => self.tell_health(false),
            _ => {}
        }
    }

    fn on_message(&self, bytes: &[u8], peers: &mut Peers) {
        let Some(envelope) = Envelope::read(bytes) else {
            return tracing::warn!("something foreign is on the bus");
        };
        let now = Instant::now();
        if envelope.by == self.instance {
            if self.pulse.echo(now) {
                self.tell_health(true);
                self.missed();
            }
            return;
        }
        match peers.hear(envelope.by, envelope.number, now) {
            Numbered::Again => return,
            Numbered::Gap => self.missed(),
            Numbered::Next => {}
        }
        counter!("room_bus_heard_total", "service" => "calendar").increment(1);
        match envelope.open() {
            Content::Pulse => {}
            Content::Said(what) => self.tell(Heard::Said { by: envelope.by, what: Arc::new(what) }),
            Content::Unknown => self.missed(),
        }
    }

    fn missed(&self) {
        counter!("room_bus_missed_total", "service" => "calendar").increment(1);
        self.tell(Heard::Missed);
    }

    #[expect(clippy::unused_self, reason = "the health is this bus'; the recorder is global")]
    fn tell_health(&self, healthy: bool) {
        gauge!("room_bus_healthy", "service" => "calendar").set(if healthy { 1.0 } else { 0.0 });
        if healthy {
            tracing::info!("the bus between instances works");
        } else {
            tracing::warn!("the bus between instances does not work, reading the log instead");
        }
    }
}

fn lost(why: &'static str, count: u64) {
    counter!("room_bus_lost_total", "service" => "calendar", "why" => why).increment(count);
}

fn describe() {
    describe_counter!("room_bus_published_total", "Publications that went to the other instances.");
    describe_counter!("room_bus_lost_total", "Publications that did not; the others read the log.");
    describe_counter!("room_bus_heard_total", "Envelopes of other instances.");
    describe_counter!("room_bus_missed_total", "Times that something may have been missed: the log is read.");
    describe_gauge!("room_bus_healthy", "1 while what this instance publishes comes back to it.");
    gauge!("room_bus_healthy", "service" => "calendar").set(0.0);
}
