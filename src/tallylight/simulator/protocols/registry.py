"""The protocols that the simulator speaks; this is the only place that lists them."""

from collections.abc import Mapping

from tallylight.simulator.protocols import (
    ark,
    bedrock,
    chat_video,
    dashscope,
    fal,
    gemini_interactions,
    kie_jobs,
    kling,
    luma,
    minimax,
    openai_images,
    openai_videos,
    openrouter,
    pixverse,
    predict_long_running,
    replicate,
    runway,
    venice,
    vidu,
    xai,
    xai_images,
)
from tallylight.simulator.twin import Twin

TWINS: Mapping[str, Twin] = {
    twin.name: twin
    for twin in (
        ark.TWIN,
        bedrock.TWIN,
        chat_video.TWIN,
        dashscope.TWIN,
        fal.TWIN,
        gemini_interactions.TWIN,
        kie_jobs.TWIN,
        kling.TWIN,
        luma.TWIN,
        minimax.TWIN,
        openai_images.TWIN,
        openai_videos.TWIN,
        openrouter.TWIN,
        pixverse.TWIN,
        predict_long_running.TWIN,
        replicate.TWIN,
        runway.TWIN,
        venice.TWIN,
        vidu.TWIN,
        xai.TWIN,
        xai_images.TWIN,
    )
}
