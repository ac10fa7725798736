-- A lane whose limit is reached waits with whatever else of it is due, and goes on
-- from here: without reading again and again past everything that is due before it.
create index due_work_lane on due_work (lane, next_at) where state = 'open';
