-- wrk's side of bench/load.py. Arguments: method, file of the body (or ""), expected header, expected value (or "").
-- Every response is looked at: one that is not 200 or lacks the header counts as wrong.

local threads = {}
wrong = 0

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  wrk.method = arguments[1]
  if arguments[2] ~= "" then
    local file = assert(io.open(arguments[2], "rb"))
    wrk.body = file:read("*a")
    file:close()
  end
  expected_name, expected_value = string.lower(arguments[3]), arguments[4]
end

function response(status, headers, body)
  if status == 200 then
    for name, value in pairs(headers) do
      if string.lower(name) == expected_name and (expected_value == "" or value == expected_value) then
        return
      end
    end
  end
  wrong = wrong + 1
end

function done(summary, latency, requests)
  local all_wrong = 0
  for _, thread in ipairs(threads) do
    all_wrong = all_wrong + thread:get("wrong")
  end
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "microseconds": %d, "wrong": %d, "broken": %d, "p50": %d, "p99": %d}\n',
    summary.requests, summary.duration, all_wrong,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)
  ))
end
