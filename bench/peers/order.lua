-- wrk: an order as JSON
wrk.method = "POST"
wrk.path = "/orders"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"item":"a book about weirs","count":3}'
