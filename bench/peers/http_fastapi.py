"""The answers of http_server.c from FastAPI; bench/run starts it under uvicorn."""

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field


class Order(BaseModel):
    item: str = Field(min_length=1, max_length=120)
    count: int = Field(default=1, ge=1, le=100)


class Started(BaseModel):
    status: str


app = FastAPI(openapi_url=None)


@app.get("/", response_class=PlainTextResponse)
async def hello():
    return PlainTextResponse("Hello, World!")


@app.post("/orders", status_code=202, response_model=Started)
async def take_order(order: Order):
    return Started(status="started")
