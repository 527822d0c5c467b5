// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much memory each VM should have.
 *
 * The division is Waldspurger's idle memory tax: when memory is short it is taken from whoever pays
 * the most for a share, and a byte that is idle costs 1 / (1 - tax) times as much as one in use; one
 * that the guest itself has free, as far as it tells, that much again.
 * In balance every VM's  active + (allocation - active) / (1 - tax)  is the same price times its
 * shares; so the price that spends the budget is searched for, rather than bytes moved one by one.
 *
 * The budget is what the VMs use now plus what the host has free less a reserve. Moving memory
 * between VMs, or between a VM and the host, leaves it as it is, and that is why targets settle.
 *
 * What is ideal is then approached: falls no faster than a step and never below a floor, rises no
 * further than what is free this very moment. Falls come true only later, when guests have given
 * way; a rise that counted on them would be an overcommitment of its own.
 */
#include "arith.h"
#include "beside.h"
#include "policy.h"

#define MIB		(1024ull * 1024)
#define PRICE_SHIFT	20	/* the price is a fixed point number */
#define PRICE_BITS	62

typedef unsigned __int128 u128;

static uint64_t percent(uint64_t of, unsigned int n)
{
	return (u128)of * n / 100;
}

/* Each state is left for a better one only at the mark of the state above: the hysteresis. */
static enum host_state state_by_free(const struct policy_knobs *k, enum host_state s,
				     uint64_t available)
{
	const uint64_t enter[HOST_STATES] = { 0, k->soft, k->hard, k->low };
	const uint64_t leave[HOST_STATES] = { 0, k->high, k->soft, k->hard };

	while (s < HOST_LOW && available < enter[s + 1])
		s++;
	while (s > HOST_HIGH && available >= leave[s])
		s--;
	return s;
}

static bool stalls(unsigned int now, unsigned int mark, bool already)
{
	return mark && now >= (already ? mark / 2 : mark);
}

/*
 * Stalls ask for memory before the free memory does, but only where free memory is not plenty: a
 * service that fights with its own cgroup's limit stalls as well, and no guest can help it. They
 * never declare the emergency, which may stop guests.
 */
static enum host_state state_by_psi(const struct policy_knobs *k, enum host_state s,
				    const struct policy_host *host)
{
	if (host->available >= 2 * k->high)
		return HOST_HIGH;
	if (stalls(host->psi_full, k->psi_full, s == HOST_HARD))
		return HOST_HARD;
	if (stalls(host->psi_some, k->psi_some, s >= HOST_SOFT))
		return HOST_SOFT;
	return HOST_HIGH;
}

static void see_host(struct policy *p, const struct policy_host *host)
{
	const struct policy_knobs *k = &p->knobs;

	p->by_free = state_by_free(k, p->by_free, host->available);
	p->by_psi = state_by_psi(k, p->by_psi, host);
	p->state = p->by_psi > p->by_free ? p->by_psi : p->by_free;
	/* A little above the mark where taking ends, or it would never be reached. */
	p->reserve = k->high + (k->high - k->soft) / 4;
	if (p->by_psi > HOST_HIGH)
		p->reserve = max_of(p->reserve, host->available + host->total / 100);
}

/* What a VM may have beyond what it uses without anybody noticing: room to grow in one round. */
static uint64_t headroom(const struct policy *p, const struct policy_vm *vm)
{
	return percent(vm->ram, p->knobs.rise_percent);
}

/* What of a VM's memory is of any use to its guest, by the guest's own word, and to the VMM. */
static uint64_t filled_bytes(const struct policy_vm *vm)
{
	return vm->unused ? less(vm->ram + vmm_usual(vm->ram), vm->unused) : UINT64_MAX;
}

/*
 * What a VM works with. A working set is the average of a while; what is free in the guest now it
 * does not work with, whatever it did before, and one that says so falsely pays for it alone.
 */
static uint64_t active_bytes(const struct policy_vm *vm)
{
	return min_of(vm->filled, vm->wss_known ? min_of(vm->wss, vm->ram) : vm->usage);
}

/*
 * What a VM is used to follows its working set upwards at leisure, so that a spike does not become
 * a right at once, and downwards only a window after it was squeezed, by what one spike costs.
 */
static void see_vm(const struct policy *p, struct policy_vm *vm, uint64_t passed_ms,
		   uint64_t now_ms)
{
	uint64_t window = p->knobs.spike_window_ms, working;

	vm->filled = filled_bytes(vm);
	vm->active = active_bytes(vm);
	/* All that it has is too little for it, so it would use more. */
	if (vm->pressed)
		vm->active = max_of(vm->active, min_of(vm->max, vm->usage + headroom(p, vm)));
	vm->filled = max_of(vm->filled, vm->active);
	working = min_of(vm->usage, vm->active);
	if (!vm->target || vm->target > vm->max)
		vm->target = vm->max;
	vm->target = max_of(vm->target, vm->min);
	if (!vm->base) {
		vm->base = working;
		vm->base_ms = now_ms;
	}
	if (working >= vm->base) {
		vm->base += (u128)(working - vm->base) * min_of(passed_ms, window) / window;
		vm->base_ms = now_ms;
	} else if (now_ms - vm->base_ms >= window) {
		vm->base -= min_of(vm->base - working,
				   percent(vm->base, p->knobs.spike_percent));
		vm->base_ms = now_ms;
	}
}

/*
 * What a spike of others leaves to the VM at least. One that has idle memory of its own accord is
 * held to what it works with; one that uses all it has may be so small because it was squeezed, and
 * is held to what it was used to.
 */
static uint64_t protected_bytes(const struct policy *p, const struct policy_vm *vm)
{
	bool idle = vm->active < vm->usage - vm->usage / 8;
	uint64_t base = idle ? min_of(vm->base, vm->active) : vm->base;

	return base - percent(base, p->knobs.spike_percent);
}

static uint64_t floor_of(const struct policy *p, const struct policy_vm *vm)
{
	if (p->crowded)
		return vm->min;
	return min_of(vm->max, max_of(vm->min, protected_bytes(p, vm)));
}

/* What the operator gives to a VM, of which more than its RAM can never be used. */
static uint64_t by_hand(const struct policy_vm *vm)
{
	return min_of(vm->hand, vm->ram);
}

/* Whether in the emergency there is not even enough for what each VM is used to. */
static bool is_crowded(struct policy *p, const struct policy_vm *vms, size_t n)
{
	u128 floors = 0;

	p->crowded = false;
	for (size_t i = 0; i < n; i++)
		floors += vms[i].hand ? by_hand(&vms[i]) :
			  vms[i].fixed ? vms[i].usage : floor_of(p, &vms[i]);
	return p->state == HOST_LOW && floors > p->budget;
}

static u128 taxed(const struct policy *p, u128 bytes)
{
	return bytes * (100 - p->knobs.idle_tax_percent) / 100;
}

/*
 * What a VM has at a price: all of its active memory before any idle, which costs more. What its
 * guest has filled and lets lie it may want again; what the guest has free is of no use to anybody
 * there, and is taxed once more.
 */
static uint64_t bought(const struct policy *p, const struct policy_vm *vm, uint64_t price,
		       uint64_t low, uint64_t high)
{
	u128 money = ((u128)price * vm->shares * (vm->ram / MIB + 1)) >> PRICE_SHIFT;
	u128 bytes = money;

	if (money > vm->active)
		bytes = vm->active + taxed(p, money - vm->active);
	if (bytes > vm->filled)
		bytes = vm->filled + taxed(p, bytes - vm->filled);
	if (bytes < low)
		return low;
	return bytes > high ? high : (uint64_t)bytes;
}

/* The bounds of a VM's ideal. In the first division nobody gets what he would not use. */
static void bounds(const struct policy *p, const struct policy_vm *vm, bool rest, uint64_t *low,
		   uint64_t *high)
{
	uint64_t near = min_of(vm->max, max_of(vm->usage, vm->active) + headroom(p, vm));

	if (vm->hand || vm->fixed) {
		*low = vm->hand ? by_hand(vm) : vm->usage;
		*high = *low;
		return;
	}
	*low = rest ? max_of(near, vm->min) : vm->min;
	*high = rest ? vm->max : max_of(near, vm->min);
}

static u128 spent(const struct policy *p, const struct policy_vm *vms, size_t n, uint64_t price,
		  bool rest)
{
	u128 sum = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t low, high;

		bounds(p, &vms[i], rest, &low, &high);
		sum += bought(p, &vms[i], price, low, high);
	}
	return sum;
}

/* The highest price at which the budget is not exceeded; prices are searched bit by bit. */
static uint64_t find_price(const struct policy *p, const struct policy_vm *vms, size_t n, bool rest)
{
	uint64_t price = 0;

	for (int bit = PRICE_BITS; bit >= 0; bit--)
		if (spent(p, vms, n, price | 1ull << bit, rest) <= p->budget)
			price |= 1ull << bit;
	return price;
}

static void find_ideals(struct policy *p, const struct policy_host *host, struct policy_vm *vms,
			size_t n)
{
	const uint64_t any_price = (2ull << PRICE_BITS) - 1;
	uint64_t sum = host->available, price;
	bool rest;

	for (size_t i = 0; i < n; i++)
		sum += vms[i].usage;
	p->budget = less(sum, p->reserve);
	/* All that is of use is bought, and more is left: it goes to whoever may grow. */
	rest = spent(p, vms, n, any_price, false) <= p->budget;
	price = find_price(p, vms, n, rest);
	for (size_t i = 0; i < n; i++) {
		uint64_t low, high;

		bounds(p, &vms[i], rest, &low, &high);
		vms[i].ideal = bought(p, &vms[i], price, low, high);
	}
}

/* A VM that is at its target, or short inside, would use more if it had it. */
static bool hungry(const struct policy *p, const struct policy_vm *vm)
{
	return vm->pressed || max_of(vm->usage, vm->active) + headroom(p, vm) / 4 >= vm->target;
}

/* Memory that no target has promised to anybody, above @keep. */
static uint64_t pool_above(const struct policy_host *host, const struct policy_vm *vms, size_t n,
			   uint64_t keep)
{
	uint64_t promised = keep;

	/* What a fixed one has is what it uses, as for its ideal: all of its RAM is nobody's promise. */
	for (size_t i = 0; i < n; i++)
		if (vms[i].hand || !vms[i].fixed)
			promised += less(vms[i].target, vms[i].usage);
	return less(host->available, promised);
}

/* Whether anything is to be taken: the host is short, or a VM could use what another has idle. */
static bool somebody_wants(const struct policy *p, const struct policy_host *host,
			   const struct policy_vm *vms, size_t n)
{
	uint64_t wanted = 0;

	if (p->state > HOST_HIGH)
		return true;
	for (size_t i = 0; i < n; i++)
		if (!vms[i].hand && !vms[i].fixed && hungry(p, &vms[i]))
			wanted += less(vms[i].ideal, vms[i].target);
	return wanted > pool_above(host, vms, n, p->reserve);
}

/*
 * Events begin rounds early, and as many as they like. A VM may move in each, but not by more than
 * its part for the time since it was moved last, or events would make the steps wider.
 */
static uint64_t for_time(const struct policy *p, const struct policy_vm *vm, uint64_t bytes)
{
	return (u128)bytes * min_of(vm->passed_ms, p->round_ms) / p->round_ms;
}

/* The step widens as it gets serious. */
static uint64_t fall_step(const struct policy *p, const struct policy_vm *vm)
{
	static const unsigned int times[HOST_STATES] = { 1, 1, 2, 4 };

	return for_time(p, vm, percent(vm->ram, p->knobs.step_percent * times[p->state]));
}

static void fall(const struct policy *p, struct policy_vm *vm, bool shortage)
{
	uint64_t floor = floor_of(p, vm), step, to = vm->ideal;

	vm->why = WHY_SHARE;
	if (vm->pressed && !shortage && p->state < HOST_HARD) {
		vm->why = WHY_PRESSURE;
		return;
	}
	/* Room that was never used costs its VM nothing: the step counts from what is. */
	step = less(min_of(vm->target, vm->usage), fall_step(p, vm));
	if (to < step) {
		to = step;
		vm->why = WHY_STEP;
	}
	if (to <= floor) {
		to = floor;
		vm->why = floor > vm->min ? WHY_PROTECTED : WHY_FLOOR;
	}
	vm->target = min_of(vm->target, to);
}

/*
 * Give the hungry what they want, or alike parts of it, out of @pool. Not even pressure lifts a VM
 * above its share: it would be squeezed when the pressure is gone, and be under pressure again.
 */
static void rise(const struct policy *p, struct policy_vm *vms, size_t n, uint64_t pool,
		 bool pressed)
{
	u128 wanted = 0;

	for (size_t i = 0; i < n; i++) {
		struct policy_vm *vm = &vms[i];

		vm->want = 0;
		if (vm->hand || vm->fixed || vm->pressed != pressed)
			continue;
		vm->want = min_of(less(vm->ideal, vm->target), for_time(p, vm, headroom(p, vm)));
		wanted += vm->want;
	}
	for (size_t i = 0; i < n; i++) {
		struct policy_vm *vm = &vms[i];
		uint64_t part = vm->want;

		if (!vm->want)
			continue;
		if (wanted > pool)
			part = (u128)vm->want * pool / wanted;
		vm->why = part < vm->want ? WHY_POOL : pressed ? WHY_PRESSURE : WHY_SHARE;
		vm->want = part;
		vm->target += part;
	}
}

/*
 * A target that was set and taken back moves again only for what is worth a message to the guest;
 * the ends of the range are exact.
 */
static void settle(const struct policy *p, struct policy_vm *vm, uint64_t before)
{
	uint64_t worth = max_of(vm->ram / 128, MIB);
	uint64_t change = less(vm->target, before) + less(before, vm->target);

	if (vm->target != vm->max && vm->target != vm->min && !(vm->hand))
		vm->target = max_of(vm->min, vm->target - vm->target % MIB);
	if (p->state < HOST_HARD && change < worth && vm->target != vm->max && !vm->hand) {
		vm->target = before;
		vm->why = WHY_STEADY;
	}
	if (vm->target == vm->max && !vm->hand && !vm->fixed)
		vm->why = WHY_UNLIMITED;
}

static void set_given(struct policy_vm *vm)
{
	if (vm->hand) {
		vm->target = by_hand(vm);
		vm->why = WHY_HAND;
	} else if (vm->fixed) {
		vm->target = vm->max;
		vm->why = vm->unknown ? WHY_UNKNOWN : WHY_FIXED;
	}
}

/* Whether one that is short has less than its share: only then another that is short gives way. */
static bool pressed_below_share(const struct policy_vm *vms, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (vms[i].pressed && !vms[i].hand && !vms[i].fixed && vms[i].target < vms[i].ideal)
			return true;
	return false;
}

static void decide(struct policy *p, const struct policy_host *host, struct policy_vm *vms,
		   size_t n)
{
	bool take = somebody_wants(p, host, vms, n), shortage;
	uint64_t pool;

	/*
	 * First the VM that is short, even out of the reserve that keeps the host comfortable; then
	 * what the others must leave; then what remains.
	 */
	rise(p, vms, n, less(host->available, p->knobs.hard), true);
	shortage = pressed_below_share(vms, n);
	for (size_t i = 0; i < n; i++) {
		struct policy_vm *vm = &vms[i];

		if (vm->hand || vm->fixed || vm->want)
			continue;
		vm->why = WHY_STEADY;
		if (take && vm->ideal < vm->target)
			fall(p, vm, shortage);
	}
	pool = pool_above(host, vms, n, p->reserve);
	rise(p, vms, n, pool, false);
}

void policy_round(struct policy *p, const struct policy_host *host, struct policy_vm *vms, size_t n,
		  uint64_t now_ms)
{
	uint64_t passed = p->begun ? less(now_ms, p->then_ms) : 0;

	p->then_ms = now_ms;
	p->begun = true;
	/* As the state before had it. */
	p->round_ms = max_of(policy_wait_ms(p), 1);
	see_host(p, host);
	for (size_t i = 0; i < n; i++) {
		vms[i].passed_ms = vms[i].moved_ms ? less(now_ms, vms[i].moved_ms) : p->round_ms;
		see_vm(p, &vms[i], passed, now_ms);
		set_given(&vms[i]);
	}
	find_ideals(p, host, vms, n);
	p->crowded = is_crowded(p, vms, n);
	for (size_t i = 0; i < n; i++)
		vms[i].before = vms[i].target;
	decide(p, host, vms, n);
	for (size_t i = 0; i < n; i++) {
		settle(p, &vms[i], vms[i].before);
		if (vms[i].target != vms[i].before)
			vms[i].moved_ms = now_ms;
	}
}

unsigned int policy_wait_ms(const struct policy *p)
{
	/* A host in need is looked at more often. */
	return p->knobs.interval_ms >> (p->state > HOST_SOFT);
}

const char *host_state_name(enum host_state state)
{
	static const char * const names[HOST_STATES] = { "high", "soft", "hard", "low" };

	return names[state];
}

const char *policy_why_text(enum policy_why why)
{
	static const char * const texts[POLICY_WHYS] = {
		[WHY_UNLIMITED] = "may have its maximum",
		[WHY_HAND] = "set by hand",
		[WHY_FIXED] = "no way to take anything from it",
		[WHY_UNKNOWN] = "its RAM is not known before its monitor or a first pass tells",
		[WHY_SHARE] = "its share, idle memory taxed",
		[WHY_FLOOR] = "its minimum",
		[WHY_PROTECTED] = "what it works with is kept from the spikes of others",
		[WHY_STEP] = "a step towards its share",
		[WHY_PRESSURE] = "short of memory inside, served first",
		[WHY_POOL] = "as much of its share as is free now",
		[WHY_STEADY] = "nothing worth a change",
	};

	return texts[why];
}
