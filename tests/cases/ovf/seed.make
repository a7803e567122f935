# The disc that vSphere attaches: the environment of one machine of a vApp with two.
set -e
disc=$(mktemp -d)
trap 'rm -rf "$disc"' EXIT
user_data=$(printf '## template: jinja\n#cloud-config\nusers: []\ntimezone: Europe/Lisbon\nwrite_files:\n- {path: /etc/proxy, content: "{{ meta.edgeproxy }}"}\n' | base64 -w 0)
cat > "$disc/ovf-env.xml" <<END
<?xml version="1.0" encoding="UTF-8"?>
<Environment
     xmlns="http://schemas.dmtf.org/ovf/environment/1"
     xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
     xmlns:oe="http://schemas.dmtf.org/ovf/environment/1"
     xmlns:ve="http://www.vmware.com/schema/ovfenv"
     oe:id="web"
     ve:vCenterId="vm-1001">
   <PlatformSection>
      <Kind>VMware ESXi</Kind>
      <Version>8.0.2</Version>
      <Vendor>VMware, Inc.</Vendor>
      <Locale>en</Locale>
   </PlatformSection>
   <PropertySection>
         <Property oe:key="instance-id" oe:value="id-ovf"/>
         <Property oe:key="hostname" oe:value="web 1"/>
         <Property oe:key="password" oe:value=""/>
         <Property oe:key="public-keys" oe:value="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDlZrvrghHGLBOqnwHms/gi1daP5AElq0hZC0etyIHr0 me"/>
         <Property oe:key="seedfrom" oe:value=""/>
         <Property oe:key="user-data" oe:value="$user_data"/>
         <Property oe:key="vCloud_computerName" oe:value="web-1"/>
         <Property oe:key="edgeproxy" oe:value="172.24.4.1"/>
   </PropertySection>
   <ve:EthernetAdapterSection>
      <ve:Adapter ve:mac="00:50:56:01:02:03" ve:network="VM Network" ve:unitNumber="7"/>
   </ve:EthernetAdapterSection>
   <Entity oe:id="db">
      <PropertySection>
         <Property oe:key="hostname" oe:value="db"/>
      </PropertySection>
   </Entity>
</Environment>
END
genisoimage -quiet -J -r -V 'OVF ENV' -o "$1" "$disc" 2>/dev/null
