-- Names the keys. Written by `python -m tools.lua_keys` from shared/broker/keys.py, which says what each holds.
-- KEYS[1] is the root of the names, "ostinato".
local root = KEYS[1]
local function job_key(job_id) return root .. ':job:' .. job_id end
local function events_key(job_id) return root .. ':events:' .. job_id end
local function chunks_key(job_id) return root .. ':chunks:' .. job_id end
local function deliveries_key(job_id) return root .. ':deliveries:' .. job_id end
local function batch_key(batch_id) return root .. ':batch:' .. batch_id end
local function account_jobs_key(account) return root .. ':account:' .. account end
local all_jobs_key = root .. ':jobs'
local function favourites_key(account) return root .. ':favourites:' .. account end
local function shares_key(job_id) return root .. ':shares:' .. job_id end
local function account_shares_key(account) return root .. ':account-shares:' .. account end
local function share_key(share_id) return root .. ':share:' .. share_id end
local function idempotency_key(account, key) return root .. ':idem:' .. account .. ':' .. key end
local arrivals_key = root .. ':places'
local models_key = root .. ':models'
local dead_letters_key = root .. ':dead'
local function blob_refs_key(blob) return root .. ':refs:' .. blob end
local function single_flight_key(cache_key) return root .. ':flight:' .. cache_key end
local function duplicates_key(job_id) return root .. ':followers:' .. job_id end
local function successor_key(job_id) return root .. ':successor:' .. job_id end
local blocked_key = root .. ':held'
local function blockers_key(job_id) return root .. ':after:' .. job_id end
local function dependents_key(job_id) return root .. ':dependents:' .. job_id end
local function queue_key(priority, model) return root .. ':line:' .. priority .. ':' .. model end
local function account_queue_key(priority, model, account) return root .. ':own:' .. priority .. ':' .. model .. ':' .. account end
local function parked_key(priority, model, account) return root .. ':aside:' .. priority .. ':' .. model .. ':' .. account end
local function queue_state_key(model) return root .. ':turns:' .. model end
local parked_accounts_key = root .. ':asides'
local function parked_queues_key(account) return root .. ':asides:' .. account end
local concurrency_limits_key = root .. ':concurrent'
local function old_queue_key(model) return root .. ':waiting:' .. model end
local leases_key = root .. ':leases'
local deadlines_key = root .. ':deadlines'
local function model_running_key(model) return root .. ':active:' .. model end
local function worker_running_key(worker) return root .. ':running:' .. worker end
local function account_running_key(account) return root .. ':runs:' .. account end
local function cohort_key(worker) return root .. ':company:' .. worker end
local function throughput_key(model) return root .. ':pace:' .. model end
local function worker_throughput_key(worker) return root .. ':worker-pace:' .. worker end
local drained_key = root .. ':drained'
local webhooks_due_key = root .. ':webhooks:due'
local receivers_key = root .. ':webhooks:lanes'
local function receiver_queue_key(receiver) return root .. ':webhooks:lane:' .. receiver end
local function receiver_sending_key(receiver) return root .. ':webhooks:sending:' .. receiver end
local function bytes_served_key(account, month) return root .. ':bytes:' .. account .. ':' .. month end
local function counted_link_key(account, task_id) return root .. ':linked:' .. account .. ':' .. task_id end
local counters_key = root .. ':counters'
local function minute_counts_key(minute) return root .. ':minute:' .. minute end
