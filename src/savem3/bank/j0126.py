"""J0126: 33 small blocks of zebra finch area X, SBEM. The image stands with context around the labels.

Where the labels begin in the image is what both Zarr arrays say in their attribute ``offset``, in nm.

Source: the listing of the training data of local shape descriptors (bucket open-neurodata, ``funke/structure.md``); the
names of the files give where each block lies in the whole volume, and so its shape.
"""

from __future__ import annotations

import re

from savem3.bank.card import Block, Card
from savem3.bank.layout import Layout

FILES = (
    "z255-383_y1407-1663_x1535-1791",
    "z2559-2687_y4991-5247_x4863-5119",
    "z2815-2943_y5631-5887_x4607-4863",
    "z2834-2984_y5311-5461_x5077-5227",
    "z2868-3018_y5744-5894_x5157-5307",
    "z2874-3024_y5707-5857_x5304-5454",
    "z2934-3084_y5115-5265_x5140-5290",
    "z3096-3246_y5954-6104_x5813-5963",
    "z3118-3268_y6538-6688_x6100-6250",
    "z3126-3276_y6857-7007_x5694-5844",
    "z3436-3586_y599-749_x2779-2929",
    "z3438-3588_y2775-2925_x3476-3626",
    "z3456-3606_y3188-3338_x4043-4193",
    "z3492-3642_y7888-8038_x8374-8524",
    "z3492-3642_y841-991_x381-531",
    "z3596-3746_y3888-4038_x3661-3811",
    "z3604-3754_y4101-4251_x3493-3643",
    "z3608-3758_y3829-3979_x3423-3573",
    "z3702-3852_y9605-9755_x2244-2394",
    "z3710-3860_y8691-8841_x2889-3039",
    "z3722-3872_y4548-4698_x2879-3029",
    "z3734-3884_y4315-4465_x2209-2359",
    "z3914-4064_y9035-9185_x2573-2723",
    "z4102-4252_y6330-6480_x1899-2049",
    "z4312-4462_y9341-9491_x2419-2569",
    "z4440-4590_y7294-7444_x2350-2500",
    "z4801-4951_y10154-10304_x1972-2122",
    "z4905-5055_y928-1078_x1729-1879",
    "z4951-5101_y9415-9565_x2272-2422",
    "z5001-5151_y9426-9576_x2197-2347",
    "z5119-5247_y1023-1279_x1663-1919",
    "z5405-5555_y10490-10640_x3406-3556",
    "z734-884_y9561-9711_x563-713",
)


def _block(place: str) -> Block:
    first_z, last_z, first_y, last_y, first_x, last_x = (int(n) for n in re.findall("[0-9]+", place))
    volumes = f"zebrafinch/training/gt_{place}.zarr/volumes"
    shape = (last_z - first_z, last_y - first_y, last_x - first_x)
    layout = Layout(f"{volumes}/raw", labels=f"{volumes}/labels/neuron_ids")
    return Block(f"{first_z}-{first_y}-{first_x}", shape, (layout,), splits={"train": range(shape[0])})


J0126 = Card(
    name="j0126",
    dataset="J0126",
    superset="J0126",
    imaging="SBEM",
    species="Taeniopygia guttata, adult",
    voxel_size=(20.0, 9.0, 9.0),
    licence="unknown: see the page",
    permissive=False,
    citation="Januszewski et al. 2018, Nat. Methods, doi:10.1038/s41592-018-0049-4",
    source="github.com/funkelab/lsd (data: s3://open-neurodata/funke/zebrafinch/training)",
    blocks=tuple(_block(place) for place in FILES),
    notes="Glia and defects are masked. The copy huggingface.co/datasets/pytc/zebrafinch-j0126 is marked MIT.",
)
