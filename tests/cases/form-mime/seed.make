set -e
mkdir -p "$1/openstack/latest"
cd "$1/openstack/latest"
echo '{"uuid": "83679162-1378-4288-a2d4-70e13ec132aa", "name": "vm1", "hostname": "vm1", "launch_index": 1}' > meta_data.json
python3 - > user_data <<'END'
import gzip
from email import encoders
from email.mime.application import MIMEApplication
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

def text(content, subtype, name=None, cte=None, **headers):
    part = MIMEText(content, subtype, "us-ascii" if cte is None else "utf-8")
    if cte:
        del part["Content-Transfer-Encoding"]
        part.set_payload(content.encode())
        {"base64": encoders.encode_base64, "quoted-printable": encoders.encode_quopri, "8bit": encoders.encode_7or8bit}[cte](part)
    if name:
        part.add_header("Content-Disposition", "attachment", filename=name)
    for header, value in headers.items():
        part.add_header(header.replace("_", "-"), value)
    return part

def motd(name, **more):
    return f"#cloud-config\nwrite_files:\n- path: /etc/{name}\n  content: |\n    caf\u00e9 of {name}\n"

outer = MIMEMultipart(boundary="===============outer==")
outer.attach(text("#cloud-config\nusers: []\nunknown: 7bit, so the line is that of the whole\n", "cloud-config", "base.yaml"))
inner = MIMEMultipart("alternative", boundary="===============inner==")
inner.attach(text("#!/bin/sh\necho base64\n", "x-shellscript", "b64.sh", "base64"))
inner.attach(text("#!/bin/sh\necho 'quoted = printable'   \n", "x-shellscript", "../quoted printable.sh", "quoted-printable"))
inner.attach(text("#!/bin/sh\necho \u00e9 8bit\n", "plain", ("utf-8", "", "acht\u00fc.sh"), "8bit"))
outer.attach(inner)
outer.attach(text("#!/bin/sh\necho for index 0\n", "x-shellscript", "zero.sh", Launch_Index="0"))
outer.attach(text("#!/bin/sh\necho for index 1\n", "x-shellscript", "one.sh", Launch_Index="1"))
packed = MIMEApplication(gzip.compress(motd("packed").encode(), mtime=0), "gzip")
packed.add_header("Content-Disposition", "attachment", filename="packed.yaml")
outer.attach(packed)
outer.attach(text("## template: jinja\n#!/bin/sh\necho {{ v1.local_hostname }}\n", "jinja2", "template.sh"))
outer.attach(text("#!/bin/sh\necho each boot\n", "x-shellscript-per-boot", "each.sh"))
other = MIMEBase("application", "octet-stream")
other.set_payload(b"\0\1\2")
encoders.encode_base64(other)
outer.attach(other)
print(outer.as_string(), end="")
END
