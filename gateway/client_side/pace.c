/*
 * How fast a client goes. The hard part is what it has taken: what was given to the socket is not
 * taken yet, so what is still on its way counts against it, and what was on its way when the window
 * began counts for it.
 */
#include "pace.h"

void
pace_wait(struct pace *self, double now, uint64_t under_way)
{
	if (self->waiting)
		return;
	self->waiting = true;
	self->since = self->moved_at = now;
	self->under_way = under_way;
}

static double
waited(const struct pace *self, double now)
{
	return self->waited + (self->waiting && now > self->since ? now - self->since : 0);
}

void
pace_rest(struct pace *self, double now)
{
	self->waited = waited(self, now);
	self->waiting = false;
}

void
pace_move(struct pace *self, uint64_t n)
{
	self->moved += n;
}

void
pace_progress(struct pace *self, double now)
{
	self->moved_at = now;
}

static void
begin_window(struct pace *self, double now, uint64_t under_way)
{
	self->since = now;
	self->waited = 0;
	self->moved = 0;
	self->ahead = under_way;
}

enum pace_verdict
pace_judge(struct pace *self, const struct pace_limits *limits, double now, uint64_t under_way)
{
	if (!self->waiting)
		return PACE_GOOD;
	if (under_way < self->under_way)
		self->moved_at = now;
	self->under_way = under_way;
	if (limits->pause > 0 && now - self->moved_at >= limits->pause)
		return PACE_STALLED;
	double seconds = waited(self, now);
	if (seconds < limits->window)
		return PACE_GOOD;
	double taken = (double)self->moved + (double)self->ahead - (double)under_way;
	if (taken < (double)limits->rate * seconds)
		return PACE_TOO_SLOW;
	begin_window(self, now, under_way);
	return PACE_GOOD;
}
