"""One manifest frame that stands for two texts (section 2.2), signed once for each: a reader accepts one at most.

The block is one that no compressor writes: two of the four streams of its literals end before their last symbols, which
decoders do not restore alike. libzstd 1.5.4 makes one text of it and libzstd 1.5.7 another, which differ in a letter of
a target's name; other decoders refuse it.
"""

import base64

from makers.adp.files import sealed, text_of
from makers.adp.frames import block, head
from makers.adp.manifests import manifest_of
from makers.adp.registry import either
from makers.adp.streams import Stream

# The only block of the frame, with its header.
BLOCK = base64.b64decode(
    """
rSEA+lzMDR9gaZIOsxj/nyvDlWQ3abvFMGTQj98IG+8NsOCOogoM3ADAAMMAlwF1njjKaWZH6dcSpaQuNmvywWUlt5iJsuKdEWUhbYw32zxluwo6
FsEe9zjG1G+XaAfaDuee/PS/YT1ais69U6Xwr57e0ZIrTZ0foqF0l/M8xElxJGU4Wo8+IZ04edc7ypC+eiLkvLOMLrvoXHvls59JsnyOY8/McKUe
GiAUCiNDDMWhQTENxKpg8AxuP95TCrt8KSULsGALhhQKRYPhwjQUh6JqCoWivL+WLw7FgmXDFwpFfTZYF4eigSiYsyoUCuvxggEChYJhwRrK1BSH
AkChUCx8wyyYGxYMAte4zWUGq7A+9m/m9ZfsrCvlLwNnZNFiZS95s3u1P0JN557UZC3XnUT3BiFSTsTVprt5IuSl46/o27qSodM2n81C7D0E/9Yf
dbC7CveS/xomvoRsp6YWG8sLuddVtD3UnHkc3XIvLPZ87Z1PRlpK45p0Gehq10V/ZHeR0Ehlz1I48/mSrlvVzMgYn6LHPf/qT5rjfA95GNrWstkd
cVkpZGeIlDonk4pz+XhsJ9OTEklcPCUFtZ6Jmvt5ZwZjcdFtr7xFRIZpROGaVtak3Bn2xawblGpWXAqj8bC/4yykYNEtbsNRzTxVs/aHkqnCWNb1
sK1KddmvJhxFtbwGcRxOc13FtCYNjci7YGFXX/U1ojfmRkp9cyH62kPkZPjo2dv+ui9vzeI8Gd5U0JUKkvcsmFvI+CERKZbW8CtLtTn+bUI4tQwb
1OSLPjGz1bASXucdZMSLm+DtvFVpZkyvrVZjHT2WWEnn237Y4CKFhuOwOiUlRx9ObmSqcj+qFbQxZp9Me1jPWA0SNEjQIEGChICDAgiEgAQBBwEI
BIUBBAKRMBKIA0ogDDhIMEowkKCBMIBqEgoUGEtIFKgSkKBCMIAoMOAgMeoQDEziIMEAgsAJOAIDECYRCCYZikORQDhAKBTsCpLBfEipp+JQIAg4
UBY0VI8tNDAUhwRE2G/pSDivTVTVmNCpGsHu82c719/JUYp61HcSjnScvqPkO8/p7B8ts+0/mvIeMy3V71hI+WTOyr7GMsXliofl85J2H0qcRx2p
zEKUWI0Zpca3E3Wfr7aZVav+tlvCBY3MfocQqbaiqqOOeTVsc9sLtRopHuVK0kZDhmZnqEEIghBDiMAYImRM3xoDUIMEaZN0EmBSEEFCABH8jxCs
EKz9AfJEZcMCnxVY/VTwTLAOyRaomONMaj0UbYYHDInITLL4yhQRS1aFV/llAkzks3mW4TImx7M4huHxpcAuZ+ZlWVxpoqnwgQHPwpg8w3L4p0/z
6W0HRjgywCUHHCG5cOQyeCymzzPuH8LOeFeAmuMZjMviPIateslOjBTP57V4ETnbkc8wty7L3UjqN6vbIgsqWqlUcQ0BLFYB
    """
)
# The targets of the operations behind `layer.`; the name of TEXTS stands in the place of the asterisk.
TARGETS = """
ecidpopmgdpamnao ihdkaaaamgnahoph lhhojandfjdkngjj pmbphmnfllcodfml papbjmffhaghmllo iamegnbplgnplnla
koahffcibccaoaih idfljcffifijokpp dajmkngidignaham ebfonhohamknbjeg bjccjjfnieabgofb mgldgngpdmjpakmj
afgkekngidmlphcb ceffgikilkkdjhpe dkbncmeekdmchcil jdoidbjaacndbghn * baajkomkmcckodig
plifgjghlcicockh mjbkfkjhkdchhahm ciccaajlppedkcff eekjdjegebkgfjnf bhiconiooamkfipa nableeeiimmfchpa
fkohhkpphnkihbcl fgjjjlfocdmfeing bpmlmfbcidicecoh mnmfkoepgdnndjih magoaahigfjegiji oflpndgmgjdadaje
cljnlkadooljmkpd mmgaigonjfoglamn mkcphjanemifcali njeoipfobidnclco affcmijgghkicclo bfjilhmmfpikhiha
mknhigcfoeiofeeo ljmhdgjcdhmkpdfb bagbpokidfdhmhpo mfhhjomgoikpdgcb aapkmjgmfeaamebm iecojabbebidncga
peigomkiihhbflnb lngncicifdebgnbb cpldkbeboemoaici kcjbmbikeimdjdnh gkkmpdeoajfglmkd nlecbjknjklikade
kkkcoipolmcbebpi hkllmjokfaeihedf nbdidgicccgfnalp jhgphnolgpcingam pcmnbloagjadjkjn njojeoefianblnmj
accamioilpkmodpl eneafilejnijnink pgpmnccegehadiep dmfacnbgnlbdndii fpbgcmdojpmdpdem gfinjpgkpdaliboj
dhiihneeignbenii pjipgplphkffoebk egkppkdeeihcbfdh gjnkaajhchikimad kp1masgggjfhdhib lacemlhdkiakdlei
mcpnmjhjebdfhgni aiiipemdlclajoee cegpkljfemomdeij aaemdoannilnmobd pbabdelilphhdlfd bknlibnnmljkoheb
kdfpkdapgmfmhdhk khoplpgnomdpieea mndacfomjeediaom hmahnffkhcffmagn hbgchmodbmcdpbha ajoinfekonfmmgpi
leiifclkeiiilmio aeeihgcgnheomgcc
""".split()
TEXTS = {"a": "fd5pkhdnmjipkdgk", "b": "fd5pk9dnmjipkdgk"}


def two_texts(name):
    """The file that is signed for one of the texts."""

    def make(m):
        targets = [name if target == "*" else target for target in TARGETS]
        keys = {"tensors": {"delta": "d"}, "scale": 1}
        operations = [{"op": "add", "target": f"layer.{target}", **keys} for target in targets]
        frames = [head(1) + block(kind, 1, b"\0", True) for kind in (0, 1, 0, 0)]
        m = manifest_of(Stream("F32", [("d", [1], bytes(4))], 1024, [frames]), operations=operations)
        text = text_of({"generator": "!", **m})
        return sealed(m, head(len(text)) + BLOCK, text)

    return make


for label, name in TEXTS.items():
    words = f"a manifest frame that decoders restore to two texts, signed for that with the target layer.{name} (ENV-7)"
    keys = {"group": "two_texts", "kinds": ["digest", "frame"], "target": f"layer.{name}"}
    either(f"two_texts_{label}", words, two_texts(name), **keys)
