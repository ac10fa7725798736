//! `calendar.v1.CalendarService`: what a person may ask, through the gateway.

use std::{sync::Arc, time::Duration};

use chassis::{
    fault::{Fault, Reason},
    idempotency::wire::{answer_once, key},
    postgres::probe,
    rpc::{Caller, answer},
};
use proto::calendar::v1::{
    Calendar, CreateCalendarRequest, CreateEventRequest, DeleteCalendarRequest, DeleteCalendarResponse,
    DeleteEventRequest, DeleteEventResponse, Event, EventList, GetEventRequest, GetEventsRequest,
    ListCalendarsRequest, ListCalendarsResponse, ListChangesRequest, ListChangesResponse, ListEventsRequest,
    ListInboxRequest, ListInboxResponse, ListMembersRequest, ListMembersResponse, ListMessagesRequest,
    ListMessagesResponse, MarkInboxSeenRequest, MarkInboxSeenResponse, Member, OwnReminders,
    RemoveMemberRequest, RemoveMemberResponse, SetOwnRemindersRequest, SetRoleRequest, StatusRequest,
    StatusResponse, UpdateCalendarRequest, UpdateEventRequest,
    calendar_service_server::{CalendarService, CalendarServiceServer},
};
use tokio::time::{Instant, timeout_at};
use tonic::{Request, Response, Status, async_trait};

use super::{LARGEST_REQUEST, convert};
use crate::{
    calendar, change,
    event::{self, PageRequest},
    inbox, member, reminder,
    service::Service,
};

type Answer<T> = Result<Response<T>, Status>;

/// Before the bound of every request, with what comes before the saga.
const CREATE_WITHIN: Duration = Duration::from_millis(1750);

/// Translates and calls one use-case; the caller is whom the token names.
#[derive(Clone)]
pub(crate) struct CalendarRpc {
    pub(crate) service: Service,
    pub(crate) caller: Arc<Caller>,
}

// === impl CalendarRpc ===

impl CalendarRpc {
    pub(crate) fn into_server(self) -> CalendarServiceServer<Self> {
        CalendarServiceServer::new(self).max_decoding_message_size(LARGEST_REQUEST)
    }
}

#[async_trait]
impl CalendarService for CalendarRpc {
    async fn create_calendar(&self, request: Request<CreateCalendarRequest>) -> Answer<Calendar> {
        answer_once(async {
            let who = self.caller.identify(&request).await?;
            let key = key(request.metadata())?;
            let new = convert::new_calendar(request.into_inner());
            let created = calendar::create_once(&self.service, &who, new, key.as_ref()).await?;
            Ok(created.map(convert::calendar))
        })
        .await
    }

    async fn list_calendars(&self, request: Request<ListCalendarsRequest>) -> Answer<ListCalendarsResponse> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let calendars = calendar::list(&self.service, &who).await?;
            Ok(ListCalendarsResponse { calendars: calendars.into_iter().map(convert::calendar).collect() })
        })
        .await
    }

    async fn update_calendar(&self, request: Request<UpdateCalendarRequest>) -> Answer<Calendar> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let request = request.into_inner();
            let id = convert::id(&request.calendar_id, calendar::not_found)?;
            calendar::update(&self.service, &who, id, convert::settings(request)).await.map(convert::calendar)
        })
        .await
    }

    async fn delete_calendar(
        &self,
        request: Request<DeleteCalendarRequest>,
    ) -> Answer<DeleteCalendarResponse> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let id = convert::id(&request.get_ref().calendar_id, calendar::not_found)?;
            calendar::delete(&self.service, &who, id).await?;
            Ok(DeleteCalendarResponse {})
        })
        .await
    }

    async fn get_events(&self, request: Request<GetEventsRequest>) -> Answer<EventList> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let GetEventsRequest { calendar_name, from, to } = request.get_ref();
            event::joined(&self.service, &who, calendar_name, from, to).await.map(convert::event_list)
        })
        .await
    }

    async fn list_events(&self, request: Request<ListEventsRequest>) -> Answer<EventList> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let ListEventsRequest { calendar_id, from, to, limit, cursor } = request.into_inner();
            let id = convert::id(&calendar_id, calendar::not_found)?;
            let page = PageRequest { from, to, limit, cursor };
            event::page(&self.service, &who, id, &page).await.map(convert::event_list)
        })
        .await
    }

    async fn create_event(&self, request: Request<CreateEventRequest>) -> Answer<Event> {
        // What runs out of time in general is `unavailable`, which is a promise here.
        let known_by = Instant::now() + CREATE_WITHIN;
        answer_once(async {
            let who = self.caller.identify(&request).await?;
            let key = key(request.metadata())?;
            let CreateEventRequest { calendar_name, fields } = request.into_inner();
            let fields = convert::event_fields(fields, &[]);
            let create = event::create_once(&self.service, &who, &calendar_name, fields, key.as_ref());
            let unknown = |_elapsed| Fault::of(Reason::DeadlineExceeded);
            Ok(timeout_at(known_by, create).await.map_err(unknown)??.map(convert::event))
        })
        .await
    }

    async fn get_event(&self, request: Request<GetEventRequest>) -> Answer<Event> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let id = convert::id(&request.get_ref().event_id, event::not_found)?;
            event::get(&self.service, &who, id).await.map(convert::event)
        })
        .await
    }

    async fn update_event(&self, request: Request<UpdateEventRequest>) -> Answer<Event> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let UpdateEventRequest { event_id, if_match, fields, cleared } = request.into_inner();
            let id = convert::id(&event_id, event::not_found)?;
            let fields = convert::event_fields(fields, &cleared);
            event::update(&self.service, &who, id, &if_match, fields).await.map(convert::event)
        })
        .await
    }

    async fn delete_event(&self, request: Request<DeleteEventRequest>) -> Answer<DeleteEventResponse> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let DeleteEventRequest { event_id, if_match } = request.get_ref();
            let id = convert::id(event_id, event::not_found)?;
            event::delete(&self.service, &who, id, if_match).await?;
            Ok(DeleteEventResponse {})
        })
        .await
    }

    async fn list_changes(&self, request: Request<ListChangesRequest>) -> Answer<ListChangesResponse> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let ListChangesRequest { calendar_id, since, limit } = request.get_ref();
            let id = convert::id(calendar_id, calendar::not_found)?;
            let page = change::since(&self.service, &who, id, *since, *limit).await?;
            Ok(ListChangesResponse { frames_json: page.frames, last_seq: page.last_seq })
        })
        .await
    }

    async fn list_messages(&self, request: Request<ListMessagesRequest>) -> Answer<ListMessagesResponse> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let ListMessagesRequest { calendar_id, before, limit } = request.get_ref();
            let id = convert::id(calendar_id, calendar::not_found)?;
            let messages = change::messages(&self.service, &who, id, *before, *limit).await?;
            Ok(ListMessagesResponse { messages: messages.into_iter().map(convert::message).collect() })
        })
        .await
    }

    async fn list_members(&self, request: Request<ListMembersRequest>) -> Answer<ListMembersResponse> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let id = convert::id(&request.get_ref().calendar_id, calendar::not_found)?;
            let members = member::list(&self.service, &who, id).await?;
            Ok(ListMembersResponse { members: members.iter().map(convert::member).collect() })
        })
        .await
    }

    async fn set_role(&self, request: Request<SetRoleRequest>) -> Answer<Member> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let SetRoleRequest { calendar_id, username, role } = request.get_ref();
            let id = convert::id(calendar_id, calendar::not_found)?;
            let role = convert::role(role)?;
            let set = member::set_role(&self.service, &who, id, username, role);
            Ok(convert::member(&set.await?))
        })
        .await
    }

    async fn remove_member(&self, request: Request<RemoveMemberRequest>) -> Answer<RemoveMemberResponse> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let RemoveMemberRequest { calendar_id, username } = request.get_ref();
            let id = convert::id(calendar_id, calendar::not_found)?;
            member::remove(&self.service, &who, id, username).await?;
            Ok(RemoveMemberResponse {})
        })
        .await
    }

    async fn set_own_reminders(&self, request: Request<SetOwnRemindersRequest>) -> Answer<OwnReminders> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let SetOwnRemindersRequest { event_id, minutes } = request.into_inner();
            let id = convert::id(&event_id, event::not_found)?;
            let minutes = minutes.map(|list| list.minutes);
            reminder::set_own(&self.service, &who, id, minutes).await.map(convert::own_reminders)
        })
        .await
    }

    async fn list_inbox(&self, request: Request<ListInboxRequest>) -> Answer<ListInboxResponse> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            let ListInboxRequest { since, limit } = request.get_ref();
            inbox::list(&self.service, &who, *since, *limit).await.map(convert::inbox)
        })
        .await
    }

    async fn mark_inbox_seen(&self, request: Request<MarkInboxSeenRequest>) -> Answer<MarkInboxSeenResponse> {
        answer(async {
            let who = self.caller.identify(&request).await?;
            inbox::mark_seen(&self.service, &who, request.get_ref().seq).await?;
            Ok(MarkInboxSeenResponse {})
        })
        .await
    }

    async fn status(&self, _: Request<StatusRequest>) -> Answer<StatusResponse> {
        answer(async {
            probe(self.service.store.pool()).await?;
            Ok::<_, Fault>(StatusResponse {})
        })
        .await
    }
}
